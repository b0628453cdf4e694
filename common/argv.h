// Argv: a program's arguments, or its environment, as the system takes them.
#ifndef HALVING_COMMON_ARGV_H_
#define HALVING_COMMON_ARGV_H_

#include <string>
#include <vector>

namespace halving {

// Pointers into `strings`, which must outlive them, with a null at the end.
inline std::vector<char*> Argv(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace halving

#endif  // HALVING_COMMON_ARGV_H_
