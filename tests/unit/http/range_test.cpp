#include "http/range.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

using enum range_result;
using parts = std::vector<byte_range>;

struct row {
    std::string field;
    std::uint64_t size;
    range_result result;
    parts expected;
};

void check(const row& each) {
    parts out{{99, 99}};
    EXPECT_EQ(parse_range(each.field, each.size, out), each.result) << each.field;
    EXPECT_EQ(out, each.expected) << each.field;
}

TEST(range, one_part) {
    for (const row& each : {
             row{"bytes=0-0", 1000, partial, {{0, 1}}},
             row{"bytes=0-499", 1000, partial, {{0, 500}}},
             row{"bytes=500-", 1000, partial, {{500, 500}}},
             row{"bytes=0-", 1000, partial, {{0, 1000}}},
             row{"bytes=999-", 1000, partial, {{999, 1}}},
             row{"bytes=-1", 1000, partial, {{999, 1}}},
             row{"bytes=-1000", 1000, partial, {{0, 1000}}},
             row{"bytes=-5000", 1000, partial, {{0, 1000}}},
             row{"bytes=900-5000", 1000, partial, {{900, 100}}},
             row{"Bytes=0-1", 1000, partial, {{0, 2}}},
             row{"bytes=00000000000000000000000-01", 1000, partial, {{0, 2}}},
             row{"bytes=1-99999999999999999999999999", 1000, partial, {{1, 999}}},
             row{"bytes=-99999999999999999999999999", 1000, partial, {{0, 1000}}},
             row{"bytes=0-18446744073709551615", 5, partial, {{0, 5}}},
             row{"bytes=0-18446744073709551614", UINT64_MAX, partial, {{0, UINT64_MAX}}},
             row{"bytes= 0-1 ", 1000, partial, {{0, 2}}},
             row{"bytes=,0-1,,", 1000, partial, {{0, 2}}},
         }) {
        check(each);
    }
}

TEST(range, several_parts_in_the_order_asked_for) {
    check({"bytes=0-9,500-509", 1000, partial, {{0, 10}, {500, 10}}});
    check({"bytes=500-509 , 0-9", 1000, partial, {{500, 10}, {0, 10}}});
    check({"bytes=0-0,-1", 1000, partial, {{0, 1}, {999, 1}}});
    check({"bytes=5000-,0-9", 1000, partial, {{0, 10}}});  // a part that is not there is left away
    check({"bytes=0-9,-0", 1000, partial, {{0, 10}}});
}

TEST(range, near_parts_become_one) {
    check({"bytes=0-9,5-14", 1000, partial, {{0, 15}}});
    check({"bytes=5-14,0-9", 1000, partial, {{0, 15}}});
    check({"bytes=0-9,10-19", 1000, partial, {{0, 20}}});
    check({"bytes=0-9,90-99", 1000, partial, {{0, 100}}});          // a gap of 80
    check({"bytes=0-9,91-99", 1000, partial, {{0, 10}, {91, 9}}});  // and of 81
    check({"bytes=0-999,5-6", 1000, partial, {{0, 1000}}});         // one within another
    check({"bytes=0-,0-,0-,0-", 1000, partial, {{0, 1000}}});
    check({"bytes=500-509,0-9,5-14", 1000, partial, {{0, 15}, {500, 10}}});  // sorted then
}

TEST(range, unsatisfiable) {
    for (const row& each : {
             row{"bytes=1000-", 1000, unsatisfiable, {}},
             row{"bytes=1000-2000", 1000, unsatisfiable, {}},
             row{"bytes=-0", 1000, unsatisfiable, {}},
             row{"bytes=2000-,3000-", 1000, unsatisfiable, {}},
             row{"bytes=99999999999999999999999999-", 1000, unsatisfiable, {}},
             row{"bytes=18446744073709551615-", UINT64_MAX, unsatisfiable, {}},
             row{"bytes=0-", 0, unsatisfiable, {}},
             row{"bytes=0-0", 0, unsatisfiable, {}},
             row{"bytes=-0", 0, unsatisfiable, {}},
         }) {
        check(each);
    }
}

TEST(range, the_last_bytes_of_nothing_are_everything) {
    check({"bytes=-5", 0, ignored, {}});
}

TEST(range, malformed_fields_are_ignored) {
    for (const char* field : {"",
                              "bytes",
                              "bytes=",
                              "bytes= ",
                              "bytes=,",
                              "=0-1",
                              "bytes:0-1",
                              "bytes 0-1",
                              "bytes =0-1",
                              " bytes=0-1",
                              "lines=0-1",
                              "bytes=a-b",
                              "bytes=1",
                              "bytes=-",
                              "bytes=--1",
                              "bytes=1--2",
                              "bytes=5-1",
                              "bytes=0-1,5-1",
                              "bytes=0 - 1",
                              "bytes=0- 1",
                              "bytes=+0-1",
                              "bytes=0x0-1",
                              "bytes=0-1;2-3",
                              "bytes=0-1 2-3",
                              "bytes=1.0-2",
                              "bytes=0-1,x",
                              "bytes=0-1-2",
                              "bytes=\xc2\xb2-3",
                              "bytes=0-1\r\n"}) {
        check({field, 1000, ignored, {}});
    }
}

TEST(range, too_many_parts_are_ignored) {
    std::string field = "bytes=0-0";
    for (std::size_t i = 1; i < most_ranges; ++i)
        field += "," + std::to_string(i * 100) + "-" + std::to_string(i * 100);
    parts out;
    EXPECT_EQ(parse_range(field, 1 << 20, out), partial);
    EXPECT_EQ(out.size(), most_ranges);
    EXPECT_EQ(parse_range(field + ",-1", 1 << 20, out), ignored);
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(parse_range("bytes=0-0,500-500,900-900", 1000, out, 2), ignored);
}

TEST(range, content_range_values) {
    EXPECT_EQ(content_range({0, 500}, 1234), "bytes 0-499/1234");
    EXPECT_EQ(content_range({1233, 1}, 1234), "bytes 1233-1233/1234");
    EXPECT_EQ(unsatisfied_range(1234), "bytes */1234");
}

}  // namespace
}  // namespace allcores::http
