#include "http/uri.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

using namespace std::string_literals;
using form = request_target::form;

TEST(uri, paths_are_decoded) {
    struct row {
        std::string raw, expected;
    };
    for (const auto& [raw, expected] : {
             row{"/a%20b", "/a b"},
             row{"/caf%C3%A9", "/café"},
             row{"/%e2%82%ac", "/€"},
             row{"/%F0%9F%90%8D", "/🐍"},
             row{"/a%2Fb", "/a/b"},
             row{"/%2e%2e/x", "/../x"},
             row{"/%00", "/\0"s},
             row{"/a+b%2B", "/a+b+"},      // "+" is a space only in queries
             row{"/%41%", "/A%"},          // no escapes: left as they are
             row{"/%4%41", "/%4A"},        //
             row{"/%zz%41", "/%zzA"},      //
             row{"/%%41", "/%A"},          //
             row{"/%2541", "/%41"},        // decoded once
             row{"/%ff", "/\uFFFD"},       // not UTF-8
             row{"/%c3", "/\uFFFD"},       // ends early
             row{"/%c3x", "/\uFFFDx"},     //
             row{"/%e2%82x", "/\uFFFDx"},  // one for the part that could have become a character
             row{"/%c0%af", "/\uFFFD\uFFFD"},  // overlong "/"
             row{"/%e0%80%af", "/\uFFFD\uFFFD\uFFFD"},
             row{"/%ed%a0%80", "/\uFFFD\uFFFD\uFFFD"},  // a surrogate
             row{"/%f4%90%80%80", "/\uFFFD\uFFFD\uFFFD\uFFFD"},
             row{"/\xff", "/\uFFFD"},
         }) {
        std::string out = "before";
        EXPECT_TRUE(decode_path(raw, out)) << raw;
        EXPECT_EQ(out, expected) << raw;
    }
}

TEST(uri, a_path_with_nothing_to_decode_is_left_alone) {
    for (const char* raw : {"", "/", "/plain/path.html", "/a+b;c=d", "/%", "/%4", "/%zz", "/é"}) {
        std::string out = "before";
        EXPECT_FALSE(decode_path(raw, out)) << raw;
        EXPECT_EQ(out, "before") << raw;
    }
}

TEST(uri, queries) {
    struct row {
        std::string raw;
        field_pairs expected;
    };
    for (const auto& [raw, expected] : {
             row{"", {}},
             row{"a=1", {{"a", "1"}}},
             row{"a=1&b=2&a=3", {{"a", "1"}, {"b", "2"}, {"a", "3"}}},
             row{"a", {{"a", ""}}},
             row{"a=", {{"a", ""}}},
             row{"=1", {{"", "1"}}},
             row{"=", {{"", ""}}},
             row{"&&a=1&&", {{"a", "1"}}},
             row{"a=b=c", {{"a", "b=c"}}},
             row{"a=b+c%2B&d+e=%26%3D", {{"a", "b c+"}, {"d e", "&="}}},
             row{"a=1;b=2", {{"a", "1;b=2"}}},
             row{"q=%E2%82%AC&r=%E2%82&%ff=%", {{"q", "€"}, {"r", "\uFFFD"}, {"\uFFFD", "%"}}},
         }) {
        field_pairs out;
        EXPECT_TRUE(parse_query(raw, out)) << raw;
        EXPECT_EQ(out, expected) << raw;
    }
}

TEST(uri, queries_have_a_limit) {
    field_pairs out;
    EXPECT_TRUE(parse_query("a=1&b=2&&", out, 2));
    out.clear();
    EXPECT_FALSE(parse_query("a=1&b=2&c=3", out, 2));
    EXPECT_EQ(out, (field_pairs{{"a", "1"}, {"b", "2"}}));
    out.clear();
    std::string many;
    for (std::size_t i = 0; i < most_query_fields; ++i) many += "&x";
    EXPECT_TRUE(parse_query(many, out));
    EXPECT_EQ(out.size(), most_query_fields);
    EXPECT_FALSE(parse_query(many + "&x", out));
}

TEST(uri, targets) {
    struct row {
        const char *method, *raw;
        form kind;
        const char *authority, *path, *query;
        bool has_query;
    };
    for (const row& each : {
             row{"GET", "/", form::origin, "", "/", "", false},
             row{"GET", "/a/b?c=d?e", form::origin, "", "/a/b", "c=d?e", true},
             row{"GET", "/?", form::origin, "", "/", "", true},
             row{"GET", "//x/y", form::origin, "", "//x/y", "", false},
             row{"GET", "/http://a/", form::origin, "", "/http://a/", "", false},
             row{"GET", "http://a", form::absolute, "a", "/", "", false},
             row{"GET", "HTTP://a:80/b?c", form::absolute, "a:80", "/b", "c", true},
             row{"GET", "https://[::1]:8/?", form::absolute, "[::1]:8", "/", "", true},
             row{"POST", "http://a?b", form::absolute, "a", "/", "b", true},
             row{"OPTIONS", "*", form::asterisk, "", "*", "", false},
             row{"OPTIONS", "http://a", form::absolute, "a", "*", "", false},
             row{"OPTIONS", "http://a/", form::absolute, "a", "/", "", false},
             row{"CONNECT", "a:443", form::authority, "a:443", "", "", false},
             row{"CONNECT", "[::1]:443", form::authority, "[::1]:443", "", "", false},
         }) {
        request_target target;
        EXPECT_TRUE(parse_target(each.method, each.raw, target)) << each.raw;
        EXPECT_EQ(target.kind, each.kind) << each.raw;
        EXPECT_EQ(target.authority, each.authority) << each.raw;
        EXPECT_EQ(target.path, each.path) << each.raw;
        EXPECT_EQ(target.query, each.query) << each.raw;
        EXPECT_EQ(target.has_query, each.has_query) << each.raw;
    }
}

TEST(uri, targets_that_are_none) {
    struct row {
        const char *method, *raw;
    };
    for (const row& each : {
             row{"GET", ""},
             row{"GET", "*"},
             row{"GET", "a"},
             row{"GET", "a:80"},
             row{"GET", "?a"},
             row{"GET", "/a#b"},
             row{"GET", "/a b"},
             row{"GET", "/\t"},
             row{"GET", "/\x7f"},
             row{"GET", "http://"},
             row{"GET", "http:///a"},
             row{"GET", "http:/a"},
             row{"GET", "ftp://a/"},
             row{"GET", "http://u@a/"},
             row{"GET", "http://a:b/"},
             row{"GET", "http://[::1/"},
             row{"GET", "://a/"},
             row{"CONNECT", "/"},
             row{"CONNECT", "a"},
             row{"CONNECT", "a:"},
             row{"CONNECT", "http://a:80/"},
             row{"CONNECT", ":80"},
             row{"CONNECT", "[::1]"},
             row{"OPTIONS", "**"},
         }) {
        request_target target;
        EXPECT_FALSE(parse_target(each.method, each.raw, target)) << each.method << ' ' << each.raw;
    }
}

TEST(uri, hosts) {
    for (const char* text : {"",
                             "a",
                             "example.org",
                             "example.org:80",
                             "example.org:",
                             "127.0.0.1",
                             "127.0.0.1:8080",
                             "[::1]",
                             "[::1]:80",
                             "[::]",
                             "[1:2:3:4:5:6:7:8]",
                             "[::ffff:1.2.3.4]",
                             "[fe80::1:0:0:2]",
                             "[1:2:3:4:5:6:1.2.3.4]",
                             "a_b",
                             "xn--bcher-kva.example",
                             "caf%C3%A9",
                             "a,b",
                             "a:65535",
                             "[1::]",
                             "[::2:3:4:5:6:7:8]"}) {
        EXPECT_TRUE(is_host(text)) << text;
    }
    for (const char* text : {" ",
                             "a b",
                             "a/b",
                             "a:b",
                             "a:80:80",
                             ":80",
                             "user@a",
                             "[::1",
                             "::1",
                             "[::1]x",
                             "[::1]:x",
                             "[]",
                             "[1:2]",
                             "[1:2:3:4:5:6:7]",
                             "[1:2:3:4:5:6:7:8:9]",
                             "[1::2::3]",
                             "[12345::]",
                             "[g::]",
                             "[:::]",
                             "[1:]",
                             "[:1]",
                             "[::1.2.3]",
                             "[::1.2.3.256]",
                             "[::1.2.3.04]",
                             "[1.2.3.4]",
                             "a\\b",
                             "a%zz",
                             "a:65536",
                             "a:99999999999999999999",
                             "a?b",
                             "a#b",
                             "é"}) {
        EXPECT_FALSE(is_host(text)) << text;
    }
}

TEST(uri, utf8_is_recognised) {
    for (std::string text : {"", "a", "é", "€", "🐍", "\u0080", "\u07ff", "\u0800", "\ud7ff",
                             "\ue000", "\uffff", "\U00010000", "\U0010ffff"}) {
        const std::string before = text;
        EXPECT_FALSE(replace_invalid_utf8(text));
        EXPECT_EQ(text, before);
    }
    std::string text = "ok\x80\xf0\x9f\x90 end\xe2";
    EXPECT_TRUE(replace_invalid_utf8(text));
    EXPECT_EQ(text, "ok\uFFFD\uFFFD end\uFFFD");
}

}  // namespace
}  // namespace allcores::http
