#include "common/server_address.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace halving {
namespace {

struct ServerCase {
  std::string server;
  std::string normalized;  // Empty: refused.
};
class NormalizeServerTest : public testing::TestWithParam<ServerCase> {};

TEST_P(NormalizeServerTest, AddsThePortAndRefusesWhatIsNoAddress) {
  const auto normalized = NormalizeServer(GetParam().server);
  ASSERT_EQ(normalized.ok(), !GetParam().normalized.empty()) << normalized.status();
  if (normalized.ok()) {
    EXPECT_EQ(*normalized, GetParam().normalized);
  }
}

INSTANTIATE_TEST_SUITE_P(, NormalizeServerTest,
                         testing::ValuesIn(std::vector<ServerCase>{
                             {"example.org:80", "example.org:80"},
                             {"example.org", "example.org:7070"},
                             {"[::1]", "[::1]:7070"},
                             {"[::1]:80", "[::1]:80"},
                             {"unix:/run/halving", "unix:/run/halving"},
                             {"http://example.org:80", ""},
                             {":7070", ""},
                             {"example.org:", ""},
                             {"example.org:0", ""},
                             {"example.org:70700", ""},
                             {"example.org:http", ""},
                             {"[::1]:x", ""},
                             {"", ""},
                         }));

}  // namespace
}  // namespace halving
