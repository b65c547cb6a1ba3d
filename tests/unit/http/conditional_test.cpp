#include "http/conditional.h"

#include <gtest/gtest.h>

#include "http/date.h"

namespace allcores::http {
namespace {

using enum precondition;

TEST(conditional, entity_tags) {
    for (const char* text : {R"("")", R"("abc")", R"(W/"abc")", R"("a,b")", R"("a\b")", "\"é\""}) {
        EXPECT_TRUE(is_etag(text)) << text;
    }
    for (const char* text : {"", "abc", "\"", "\"abc", "abc\"", "w/\"abc\"", "W/", "W/abc",
                             "\"a b\"", "\"a\"b\"", "\"a\" ", "*", "\"a\x7f\"", "\"a\r\n\""}) {
        EXPECT_FALSE(is_etag(text)) << text;
    }
}

TEST(conditional, comparison) {  // the table of RFC 9110 section 8.8.3.2
    EXPECT_FALSE(etag_equal_strong(R"(W/"1")", R"(W/"1")"));
    EXPECT_TRUE(etag_equal_weak(R"(W/"1")", R"(W/"1")"));
    EXPECT_FALSE(etag_equal_strong(R"(W/"1")", R"(W/"2")"));
    EXPECT_FALSE(etag_equal_weak(R"(W/"1")", R"(W/"2")"));
    EXPECT_FALSE(etag_equal_strong(R"(W/"1")", R"("1")"));
    EXPECT_TRUE(etag_equal_weak(R"(W/"1")", R"("1")"));
    EXPECT_TRUE(etag_equal_strong(R"("1")", R"("1")"));
    EXPECT_TRUE(etag_equal_weak(R"("1")", R"("1")"));
}

constexpr std::int64_t changed = 784111777;
const std::string at = format_date(changed);
const std::string before = format_date(changed - 1);
const std::string after = format_date(changed + 1);

using fields = std::vector<std::pair<const char*, std::string>>;

request_conditions conditions_of(const fields& header) {
    request_conditions conditions;
    for (const auto& [name, value] : header) conditions.add(name, value);
    return conditions;
}

struct row {
    fields header;
    precondition for_get;
    precondition for_put;
};

TEST(conditional, preconditions) {
    const validators current{R"("a")", changed};
    for (const row& each : {
             row{{}, proceed, proceed},
             row{{{"If-Match", R"("a")"}}, proceed, proceed},
             row{{{"If-Match", R"("b", "a")"}}, proceed, proceed},
             row{{{"If-Match", "*"}}, proceed, proceed},
             row{{{"If-Match", R"("b")"}}, failed, failed},
             row{{{"If-Match", R"(W/"a")"}}, failed, failed},
             row{{{"If-Match", ""}}, failed, failed},
             row{{{"If-Match", "a"}}, failed, failed},
             row{{{"If-Match", R"("a", oops)"}}, failed, failed},
             row{{{"If-None-Match", R"("a")"}}, not_modified, failed},
             row{{{"If-None-Match", R"(W/"a")"}}, not_modified, failed},
             row{{{"If-None-Match", "*"}}, not_modified, failed},
             row{{{"If-None-Match", R"( , "b",,"a" ,)"}}, not_modified, failed},
             row{{{"If-None-Match", R"("b")"}, {"if-none-match", R"("a")"}}, not_modified, failed},
             row{{{"If-None-Match", R"("b", "c")"}}, proceed, proceed},
             row{{{"If-None-Match", R"("b,"a")"}}, proceed, proceed},
             row{{{"If-None-Match", R"("b""a")"}}, proceed, proceed},
             row{{{"If-None-Match", R"("a" "b")"}}, proceed, proceed},
             row{{{"If-None-Match", "a"}}, proceed, proceed},
             row{{{"If-None-Match", R"(*, "a")"}}, proceed, proceed},
             row{{{"If-Modified-Since", at}}, not_modified, proceed},
             row{{{"If-Modified-Since", after}}, not_modified, proceed},
             row{{{"If-Modified-Since", before}}, proceed, proceed},
             row{{{"If-Modified-Since", "yesterday"}}, proceed, proceed},
             row{{{"If-Modified-Since", at}, {"If-Modified-Since", at}}, proceed, proceed},
             row{{{"If-Modified-Since", at}, {"If-Modified-Since", at}, {"If-Modified-Since", at}},
                 proceed,
                 proceed},
             row{{{"If-Unmodified-Since", at}}, proceed, proceed},
             row{{{"If-Unmodified-Since", before}}, failed, failed},
             row{{{"If-Unmodified-Since", "yesterday"}}, proceed, proceed},
             // An entity tag goes before a date, each with its own.
             row{{{"If-None-Match", R"("b")"}, {"If-Modified-Since", at}}, proceed, proceed},
             row{{{"If-Match", R"("a")"}, {"If-Unmodified-Since", before}}, proceed, proceed},
             // What must match goes before what must not.
             row{{{"If-Match", R"("b")"}, {"If-None-Match", R"("a")"}}, failed, failed},
             row{{{"If-Match", R"("a")"}, {"If-None-Match", R"("a")"}}, not_modified, failed},
             row{{{"If-Unmodified-Since", before}, {"If-Modified-Since", at}}, failed, failed},
         }) {
        const request_conditions conditions = conditions_of(each.header);
        const std::string shown =
            each.header.empty() ? "" : each.header[0].first + (": " + each.header[0].second);
        EXPECT_EQ(check_preconditions("GET", conditions, current), each.for_get) << shown;
        EXPECT_EQ(check_preconditions("HEAD", conditions, current), each.for_get) << shown;
        EXPECT_EQ(check_preconditions("PUT", conditions, current), each.for_put) << shown;
    }
}

TEST(conditional, nothing_to_compare_with) {
    const validators none;
    EXPECT_EQ(check_preconditions("GET", conditions_of({{"If-Match", R"("a")"}}), none), failed);
    EXPECT_EQ(check_preconditions("GET", conditions_of({{"If-None-Match", R"("a")"}}), none),
              proceed);
    EXPECT_EQ(check_preconditions("GET", conditions_of({{"If-Modified-Since", at}}), none),
              proceed);
    EXPECT_EQ(check_preconditions("PUT", conditions_of({{"If-Unmodified-Since", at}}), none),
              proceed);
}

TEST(conditional, if_range) {
    const validators current{R"("a")", changed};
    const std::int64_t now = changed + 100;
    EXPECT_TRUE(if_range_holds(conditions_of({}), current, now));
    EXPECT_TRUE(if_range_holds(conditions_of({{"If-Range", R"("a")"}}), current, now));
    EXPECT_TRUE(if_range_holds(conditions_of({{"If-Range", at}}), current, now));
    EXPECT_FALSE(if_range_holds(conditions_of({{"If-Range", at}}), current, changed));
    for (const std::string& value :
         {std::string(R"("b")"), std::string(R"(W/"a")"), before, after, std::string("*"),
          std::string(""), std::string("a"), std::string(R"("a", "b")")}) {
        EXPECT_FALSE(if_range_holds(conditions_of({{"If-Range", value}}), current, now)) << value;
    }
    const validators weak{R"(W/"a")", changed};
    EXPECT_FALSE(if_range_holds(conditions_of({{"If-Range", R"(W/"a")"}}), weak, now));
    EXPECT_FALSE(if_range_holds(conditions_of({{"If-Range", R"("a")"}}), weak, now));
    EXPECT_FALSE(if_range_holds(conditions_of({{"If-Range", at}}), validators{R"("a")", {}}, now));
}

TEST(conditional, only_its_own_fields_are_kept) {
    request_conditions conditions;
    EXPECT_TRUE(conditions.add("RANGE", "bytes=0-1"));
    EXPECT_EQ(conditions.range, "bytes=0-1");
    EXPECT_FALSE(conditions.add("accept", "*/*"));
    EXPECT_FALSE(conditions.add("", ""));
    EXPECT_TRUE(conditions.add("Range", "bytes=0-1"));
    EXPECT_EQ(conditions.range, std::nullopt);
}

}  // namespace
}  // namespace allcores::http
