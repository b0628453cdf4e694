// OrderTree: a sorted set that also finds its i-th element, and the rank of any, in O(log n).
#ifndef HALVING_SERVER_CORE_ORDER_TREE_H_
#define HALVING_SERVER_CORE_ORDER_TREE_H_

#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <functional>

namespace halving {

// As std::set, with find_by_order(i) and order_of_key(key) besides. Part of libstdc++.
template <typename Key>
using OrderTree =
    __gnu_pbds::tree<Key, __gnu_pbds::null_type, std::less<Key>, __gnu_pbds::rb_tree_tag,
                     __gnu_pbds::tree_order_statistics_node_update>;

}  // namespace halving

#endif  // HALVING_SERVER_CORE_ORDER_TREE_H_
