#include "http/status.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

TEST(status, phrases) {
    EXPECT_EQ(reason_phrase(100), "Continue");
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(206), "Partial Content");
    EXPECT_EQ(reason_phrase(404), "Not Found");
    EXPECT_EQ(reason_phrase(413), "Content Too Large");
    EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
}

TEST(status, unknown_codes_have_no_phrase_and_no_line) {
    for (int status : {-1, 0, 99, 104, 199, 299, 306, 418, 430, 512, 599, 999, 1 << 30}) {
        EXPECT_EQ(reason_phrase(status), "") << status;
        EXPECT_EQ(status_line(status), "") << status;
    }
}

TEST(status, lines) {
    EXPECT_EQ(status_line(200), "HTTP/1.1 200 OK\r\n");
    EXPECT_EQ(status_line(431), "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    int known = 0;
    for (int status = 0; status < 1000; ++status) {
        const std::string_view line = status_line(status);
        if (line.empty()) continue;
        ++known;
        const std::string expected = "HTTP/1.1 " + std::to_string(status) + " " +
                                     std::string(reason_phrase(status)) + "\r\n";
        EXPECT_EQ(line, expected);
    }
    EXPECT_EQ(known, 60);
}

TEST(status, bodies) {
    for (int status : {100, 101, 103, 204, 304}) EXPECT_TRUE(has_no_body(status)) << status;
    for (int status : {200, 205, 206, 301, 404, 500}) EXPECT_FALSE(has_no_body(status)) << status;
    EXPECT_TRUE(has_no_length(204));
    EXPECT_TRUE(has_no_length(101));
    EXPECT_FALSE(has_no_length(304));
    EXPECT_TRUE(has_empty_body(205));
    EXPECT_FALSE(has_empty_body(204));
}

}  // namespace
}  // namespace allcores::http
