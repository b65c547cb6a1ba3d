#include "http/access_log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <stdexcept>

namespace allcores::http {
namespace {

class AccessLog : public ::testing::Test {
 protected:
    void SetUp() override {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }

    std::string line(std::string_view format) {
        const request request{.method = "POST",
                              .target = "/a\"b?c=d",
                              .path = "/a\"b",
                              .query = "c=d",
                              .method_number = 3,
                              .headers = fields_,
                              .major = 1,
                              .minor = minor_,
                              .client = client_};
        const access_log log(format);
        std::vector<std::string> values(3, "from before");
        log.take(request, values);
        byte_buffer out;
        log.write(out, values, answer_);
        return std::string(out.view());
    }

    peer client_{"1.2.3.4", 56};
    std::uint8_t minor_ = 1;
    std::vector<field> fields_{{"User-Agent", "me\x01 \"x\"\\"},
                               {"referer", "http://r/"},
                               {"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}};
    access_log::answer answer_{.status = 200,
                               .bytes = 1234,
                               .ns = 2'034'005'678,
                               .unix_seconds = 0,
                               .content_type = "text/plain",
                               .fields = "X-One: 1\r\nX-Two: zwei\r\n"};
};

TEST_F(AccessLog, TheCommonFormat) {
    EXPECT_EQ(line(R"(%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s")"),
              "1.2.3.4 - Aladdin [01/Jan/1970:00:00:00 +0000] "
              "\"POST /a\\x22b?c=d HTTP/1.1\" 200 1234 \"http://r/\" "
              "\"me\\x01 \\x22x\\x22\\x5C\"\n");
}

TEST_F(AccessLog, EveryAtom) {
    ::setenv("ALLCORES_TEST_NAME", "from outside", 1);
    EXPECT_EQ(line("%(m)s %(U)s %(q)s %(H)s %(B)s %(p)s"), "POST /a\\x22b c=d HTTP/1.1 1234 56\n");
    EXPECT_EQ(line("%(T)s %(M)s %(D)s %(L)s"), "2 2034 2034005 2.034005\n");
    EXPECT_EQ(line("%({x-two}o)s %({X-ONE}o)s %({x}o)s %({content-type}o)s"),
              "zwei 1 - text/plain\n");
    EXPECT_EQ(line("%({Referer}i)s %({none}i)s"), "http://r/ -\n");
    EXPECT_EQ(line("%({ALLCORES_TEST_NAME}e)s %({ALLCORES_TEST_NONE}e)s"), "from outside -\n");
    EXPECT_EQ(line("100%% plain"), "100% plain\n");
    EXPECT_EQ(line(""), "\n");
}

TEST_F(AccessLog, WhatIsNotThere) {
    client_ = {};
    fields_.clear();
    minor_ = 0;
    answer_ = {};
    EXPECT_EQ(line("%(h)s %(u)s %(f)s %(a)s %(s)s %(b)s %(B)s %(H)s"), "- - - - - - 0 HTTP/1.0\n");
    for (std::string_view odd : {"Basic", "Basic ", "Basic ====", "Bearer eA==", "Basic Og=="}) {
        fields_ = {{"authorization", odd}};
        EXPECT_EQ(line("%(u)s"), "-\n") << odd;
    }
    fields_ = {{"authorization", "basic YQpiOmM="}};
    EXPECT_EQ(line("%(u)s"), "a\\x0Ab\n");
}

// Of a request that was answered before it had come as a whole.
TEST_F(AccessLog, WhatHasNotCome) {
    const access_log log("%(h)s %(p)s %(u)s %(r)s %(m)s %(U)s %(q)s %(H)s %(f)s %(a)s %(s)s");
    request come{.method_number = 0, .headers = {}, .major = 0, .minor = 0, .client = client_};
    answer_.status = 408;
    const auto line_of = [&] {
        std::vector<std::string> values;
        log.take(come, values);
        byte_buffer out;
        log.write(out, values, answer_);
        return std::string(out.view());
    };
    EXPECT_EQ(line_of(), "1.2.3.4 56 - - - - - - - - 408\n");
    come.method = "GET";
    come.target = come.path = "/a";
    EXPECT_EQ(line_of(), "1.2.3.4 56 - GET /a GET /a  - - - 408\n");
    come.major = 1;
    come.headers = fields_;
    EXPECT_EQ(line_of(),
              "1.2.3.4 56 Aladdin GET /a HTTP/1.0 GET /a  HTTP/1.0 http://r/ "
              "me\\x01 \\x22x\\x22\\x5C 408\n");
}

TEST_F(AccessLog, RefusesWhatIsNoFormat) {
    for (std::string_view bad : {"%", "%h", "%(h", "%(h)", "%(h)d", "%(x)s", "%()s", "%({}i)s",
                                 "%({x}q)s", "%({x)s", "a %(h)s %", "%(H )s"}) {
        EXPECT_THROW(access_log{bad}, std::invalid_argument) << bad;
    }
}

}  // namespace
}  // namespace allcores::http
