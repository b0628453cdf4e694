// What is a request, and what only looks like one.
#include "server/dashboard/http_head.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

using testing::HasSubstr;

constexpr HttpHeadLimits kLimits = {
    .bytes = 4096, .headers = 5, .path_bytes = 32, .body_bytes = 1000};

int StatusOf(const std::string& text) {
  HttpHead head;
  const std::optional<HttpRefusal> refusal = HttpHead::Parse(text, kLimits, &head);
  return refusal.has_value() ? refusal->status : 200;
}

struct HeadCase {
  std::string name;
  int status;
  std::string text;
};

class HttpHeadTest : public testing::TestWithParam<HeadCase> {};

TEST_P(HttpHeadTest, IsTakenOrRefused) {
  EXPECT_EQ(StatusOf(GetParam().text), GetParam().status) << GetParam().text;
}

std::string Get(const std::string& target) {
  return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n");
}
std::string Post(const std::string& headers) {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: h\r\n", headers, "\r\n\r\n");
}

INSTANTIATE_TEST_SUITE_P(
    Lines, HttpHeadTest,
    testing::ValuesIn(std::vector<HeadCase>{
        {"Plain", 200, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"OldVersion", 200, "GET / HTTP/1.0\r\nHost: h\r\n\r\n"},
        {"OldVersionWithoutHost", 400, "GET / HTTP/1.0\r\n\r\n"},
        {"NoHost", 400, "GET / HTTP/1.1\r\n\r\n"},
        {"TwoHosts", 400, "GET / HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n"},
        {"Http2", 505, "PRI * HTTP/2.0\r\n\r\n"},
        {"NoVersion", 400, "GET /\r\nHost: h\r\n\r\n"},
        {"TwoBlanks", 400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"Empty", 400, "\r\n\r\n"},
        {"Trace", 501, "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"Connect", 501, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"LowerCase", 501, "get / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"BareLineFeed", 400, "GET / HTTP/1.1\r\nHost: h\nX-Halving: 1\r\n\r\n"},
        {"BareReturn", 400, "GET / HTTP/1.1\r\nHost: h\rX: 1\r\n\r\n"},
        {"Folded", 400, "GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n more\r\n\r\n"},
        {"BlankBeforeColon", 400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"},
        {"NoColon", 400, "GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n"},
        {"Nul", 400, std::string("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 36)},
        {"StrangeToken", 400, "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: \xff\r\n\r\n"},
        {"StrangeElsewhere", 200, "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: \xff\r\n\r\n"},
        {"TwoTokens", 400,
         "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nauthorization: b\r\n\r\n"},
        {"FiveHeaders", 200, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n"},
        {"SixHeaders", 431,
         "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n"},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Targets, HttpHeadTest,
                         testing::ValuesIn(std::vector<HeadCase>{
                             {"Escapes", 200, Get("/a%20b/%C3%A9?q=%3Cb%3E+1&r=%2F..")},
                             {"Absolute", 400, Get("http://h/api")},
                             {"Star", 400, Get("*")},
                             {"Fragment", 400, Get("/#a")},
                             {"Dots", 400, Get("/js/../../etc/passwd")},
                             {"OneDot", 400, Get("/./a")},
                             {"EscapedDots", 400, Get("/%2e%2E/a")},
                             {"DotsAtTheEnd", 400, Get("/api/v1/studies/..")},
                             {"ThreeDotsAreAName", 200, Get("/...")},
                             {"EscapedSlash", 400, Get("/a%2fb")},
                             {"Backslash", 400, Get("/a%5c..%5cb")},
                             {"EscapedNul", 400, Get("/a%00b")},
                             {"EscapedLine", 400, Get("/a%0d%0ab")},
                             {"NulInTheQuery", 400, Get("/a?b=%00")},
                             {"HalfAnEscape", 400, Get("/a%4")},
                             {"NoEscape", 400, Get("/%zz")},
                             {"OtherEscape", 400, Get("/%u002e")},
                             {"OverlongSlash", 400, Get("/%c0%af")},
                             {"OverlongDot", 400, Get("/%e0%80%ae")},
                             {"Surrogate", 400, Get("/%ed%a0%80")},
                             {"BeyondUnicode", 400, Get("/%f4%90%80%80")},
                             {"CutOff", 400, Get("/%e2%82")},
                             {"BadQuery", 400, Get("/?q=%ff")},
                             {"TwiceEscaped", 200, Get("/%252e%252e")},
                             {"AsLongAsMayBe", 200, Get("/" + std::string(31, 'a'))},
                             {"TooLong", 414, Get("/" + std::string(32, 'a'))},
                         }),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Bodies, HttpHeadTest,
    testing::ValuesIn(std::vector<HeadCase>{
        {"None", 200, Post("X: 1")},
        {"Some", 200, Post("Content-Length: 1000")},
        {"TooMuch", 413, Post("Content-Length: 1001")},
        {"BeyondAllNumbers", 413, Post("Content-Length: 99999999999999999999999")},
        {"Negative", 400, Post("Content-Length: -1")},
        {"Signed", 400, Post("Content-Length: +1")},
        {"List", 400, Post("Content-Length: 5, 5")},
        {"Hexadecimal", 400, Post("Content-Length: 0x5")},
        {"NoNumber", 400, Post("Content-Length:")},
        {"TwoLengths", 400, Post("Content-Length: 5\r\nContent-Length: 6")},
        {"Chunked", 411, Post("Transfer-Encoding: chunked")},
        {"ChunkedAndLength", 400, Post("Transfer-Encoding: chunked\r\nContent-Length: 5")},
        {"HiddenChunked", 411, Post("Transfer-Encoding: \tchunked, identity")},
        {"Gzip", 415, Post("Content-Length: 5\r\nContent-Encoding: gzip")},
        {"Brotli", 415, Post("Content-Length: 5\r\nContent-Encoding: br")},
        {"Continue", 200, Post("Content-Length: 5\r\nExpect: 100-continue")},
        {"OtherExpectation", 417, Post("Content-Length: 5\r\nExpect: 200-ok")},
        {"GetWithABody", 400, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(HttpHeadTextTest, OnlyWhatWasUnderstoodIsHandedOn) {
  HttpHead head;
  ASSERT_FALSE(HttpHead::Parse("POST /a%20b?c=%25 HTTP/1.0\r\nHOST: h\r\nRange: bytes=0-1\r\n"
                               "REMOTE_ADDR: 1.2.3.4\r\nAuthorization: Bearer 100%25\r\n\r\n",
                               kLimits, &head)
                   .has_value());
  EXPECT_EQ(head.path(), "/a b");
  EXPECT_EQ(head.header("authorization"), "Bearer 100%25");
  EXPECT_EQ(head.header("range"), "");
  EXPECT_EQ(head.Rewritten(),
            "POST /a%20b?c=%25 HTTP/1.1\r\nauthorization: Bearer 100%2525\r\nhost: h\r\n\r\n");
}

}  // namespace
}  // namespace halving
