#include "http/date.h"

#include <gtest/gtest.h>

#include <random>

namespace allcores::http {
namespace {

constexpr std::int64_t example = 784111777;   // the RFC's own
constexpr std::int64_t in_2026 = 1767225600;  // Thu, 01 Jan 2026 00:00:00 GMT

TEST(date, formats) {
    EXPECT_EQ(format_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(format_date(951782399), "Mon, 28 Feb 2000 23:59:59 GMT");
    EXPECT_EQ(format_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(format_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(format_date(std::int64_t{1} << 32), "Sun, 07 Feb 2106 06:28:16 GMT");
}

TEST(date, formats_the_nearest_that_four_digits_can_name) {
    EXPECT_EQ(format_date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format_date(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(date, reads_the_three_forms) {
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", in_2026), example);
    EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", in_2026), example);
    EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", in_2026), example);
    EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", in_2026), example + 10 * 86400);
}

TEST(date, two_digits_mean_the_year_at_most_fifty_years_ahead) {
    // 2026-01-01 plus fifty years is the very last that counts as the future.
    EXPECT_EQ(parse_date("Wednesday, 01-Jan-76 00:00:00 GMT", in_2026), 3345062400);
    EXPECT_EQ(parse_date("Thursday, 01-Jan-76 00:00:01 GMT", in_2026), 189302401);
    EXPECT_EQ(parse_date("Thursday, 01-Jan-76 00:00:01 GMT", 0), 189302401);
    EXPECT_EQ(parse_date("Friday, 31-Dec-99 23:59:59 GMT", in_2026), 946684799);
    EXPECT_EQ(parse_date("Saturday, 01-Jan-00 00:00:00 GMT", in_2026), 946684800);
    EXPECT_EQ(parse_date("Friday, 01-Jan-27 00:00:00 GMT", in_2026), 1798761600);
    // A clock that is far off counts as the last or first second that dates can name.
    EXPECT_EQ(parse_date("Saturday, 01-Jan-00 00:00:00 GMT", INT64_MAX), 253402300800);
    EXPECT_EQ(parse_date("Saturday, 01-Jan-00 00:00:00 GMT", INT64_MIN), -62167219200);
}

TEST(date, leap_years_and_seconds) {
    EXPECT_TRUE(parse_date("Tue, 29 Feb 2000 00:00:00 GMT"));
    EXPECT_FALSE(parse_date("Thu, 29 Feb 1900 00:00:00 GMT"));
    EXPECT_FALSE(parse_date("Wed, 29 Feb 2023 00:00:00 GMT"));
    EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
    EXPECT_FALSE(parse_date("Sat, 31 Dec 2016 23:58:60 GMT"));
    EXPECT_FALSE(parse_date("Sat, 31 Dec 2016 23:59:61 GMT"));
}

TEST(date, refuses_everything_else) {
    for (const char* text : {
             "",
             " ",
             "0",
             "784111777",
             "Sun",
             "Sun,",
             "Sun, 06 Nov 1994",
             "Sun, 06 Nov 1994 08:49:37",         // no zone
             "Sun, 06 Nov 1994 08:49:37 UTC",     // not GMT
             "Sun, 06 Nov 1994 08:49:37 +0000",   //
             "Sun, 06 Nov 1994 08:49:37 GMT ",    // something after it
             " Sun, 06 Nov 1994 08:49:37 GMT",    // or before
             "Sun, 06 Nov 1994 08:49:37 gmt",     // case matters
             "sun, 06 Nov 1994 08:49:37 GMT",     //
             "Sun, 06 nov 1994 08:49:37 GMT",     //
             "Sun, 6 Nov 1994 08:49:37 GMT",      // one digit
             "Sun, 06 Nov 94 08:49:37 GMT",       // two digits
             "Sun, 06 Nov 19940 08:49:37 GMT",    // five digits
             "Sun, 06  Nov 1994 08:49:37 GMT",    // two spaces
             "Sun,06 Nov 1994 08:49:37 GMT",      //
             "Sun, 06 Nov 1994 8:49:37 GMT",      //
             "Sun, 06 Nov 1994 24:00:00 GMT",     // no such time
             "Sun, 06 Nov 1994 08:60:00 GMT",     //
             "Sun, 06 Nov 1994 -8:49:37 GMT",     //
             "Sun, 00 Nov 1994 08:49:37 GMT",     // no such day
             "Sun, 32 Nov 1994 08:49:37 GMT",     //
             "Mon, 31 Apr 2023 00:00:00 GMT",     //
             "Mon, 06 Nov 1994 08:49:37 GMT",     // not that weekday
             "Sun, 06 Non 1994 08:49:37 GMT",     // no such month
             "Sunday, 06 Nov 1994 08:49:37 GMT",  // forms mixed
             "Sun, 06-Nov-94 08:49:37 GMT",       //
             "Sunday, 06-Nov-1994 08:49:37 GMT",  //
             "Monday, 06-Nov-94 08:49:37 GMT",    //
             "Sun Nov 6 08:49:37 1994",           // asctime pads with a space
             "Sun Nov 06 08:49:37 94",            //
             "Sun Nov  6 08:49:37 1994 GMT",      //
         }) {
        EXPECT_FALSE(parse_date(text, in_2026)) << text;
    }
    EXPECT_FALSE(parse_date(std::string_view("Sun, 06 Nov 1994 08:49:37 GM\0", 29), in_2026));
}

TEST(date, reads_what_it_writes) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int64_t> some(-62167219200, 253402300799);
    for (int i = 0; i < 20000; ++i) {
        const std::int64_t seconds = some(random);
        ASSERT_EQ(parse_date(format_date(seconds)), seconds) << seconds;
    }
}

}  // namespace
}  // namespace allcores::http
