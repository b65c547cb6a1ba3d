#include "http/response.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "http/response_head.h"
#include "http/statistics.h"

namespace allcores::http {
namespace {

TEST(Response, RefusesWhatWouldBreakTheFraming) {
    response one;
    for (std::string_view bad : {"a\rb", "a\nb", "a\r\nX: y"}) {
        EXPECT_THROW(one.header("X", bad), std::invalid_argument);
        EXPECT_THROW(one.header(bad, "x"), std::invalid_argument);
        EXPECT_THROW(one.content_type(bad), std::invalid_argument);
    }
    EXPECT_THROW(one.header("X", std::string_view("a\0b", 3)), std::invalid_argument);
    for (std::string_view bad : {"", "a b", "a:", "a\x80"}) {
        EXPECT_THROW(one.header(bad, "x"), std::invalid_argument);
    }
    for (std::string_view own : {"Content-Length", "transfer-encoding", "DATE"}) {
        EXPECT_THROW(one.header(own, "1"), std::invalid_argument);
    }
    EXPECT_THROW(one.header("Connection", "keep-alive"), std::invalid_argument);
    EXPECT_THROW(one.header("Content-Type", "a\nb"), std::invalid_argument);
    EXPECT_THROW(one.status(199), std::invalid_argument);
    EXPECT_THROW(one.status(1000), std::invalid_argument);
    EXPECT_EQ(one.fields(), "");
    EXPECT_EQ(one.status(), 200);
}

TEST(Response, Connection) {
    response one;
    one.header("connection", "Close");
    EXPECT_TRUE(one.closes());
    EXPECT_EQ(one.fields(), "");
    one.reset();
    EXPECT_FALSE(one.closes());
}

std::string written(head_writer& writer, const response& response, std::int64_t length,
                    head_writer::connection said) {
    byte_buffer out;
    writer.write(out, response, length, said);
    return std::string(out.view());
}

TEST(ResponseHead, FollowsWhatWasSaid) {
    head_writer writer("s");
    writer.now(0);
    const std::string date = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    response one;
    one.content_type("text/plain");
    using said = head_writer::connection;
    const std::string plain = "HTTP/1.1 200 OK\r\n" + date +
                              "Server: s\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";
    EXPECT_EQ(written(writer, one, 5, said::unsaid), plain);
    EXPECT_EQ(written(writer, one, 5, said::unsaid), plain);
    one.status(404);
    one.header("X", " y ");
    EXPECT_EQ(written(writer, one, 12345678901, said::close),
              "HTTP/1.1 404 Not Found\r\n" + date +
                  "Server: s\r\nContent-Type: text/plain\r\nContent-Length: 12345678901\r\n"
                  "X: y\r\nConnection: close\r\n\r\n");
    one.reset();
    one.status(299);
    one.header("Server", "mine");
    EXPECT_EQ(written(writer, one, -1, said::keep_alive),
              "HTTP/1.1 299 \r\n" + date + "Server: mine\r\nConnection: keep-alive\r\n\r\n");
    one.reset();
    one.content_type("text/plain");
    writer.now(1);
    EXPECT_NE(written(writer, one, 5, said::unsaid).find("00:00:01"), std::string::npos);
}

TEST(ResponseHead, FieldsOfEveryResponse) {
    head_writer writer("s", "X-One: 1\r\nX-Two: 2\r\n", false);
    writer.now(0);
    response one;
    const std::string plain =
        "HTTP/1.1 200 OK\r\nServer: s\r\nX-One: 1\r\nX-Two: 2\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(written(writer, one, 0, head_writer::connection::unsaid), plain);
    EXPECT_EQ(written(writer, one, 0, head_writer::connection::unsaid), plain);
}

TEST(HeadWriter, APhraseAndADateOfTheApplicationsAreThisResponsesAlone) {
    head_writer writer("s");
    response usual;
    const std::string before = written(writer, usual, 0, head_writer::connection::unsaid);
    response own;
    own.reason("In Our Own Words");
    own.date(" Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(written(writer, own, 0, head_writer::connection::unsaid),
              "HTTP/1.1 200 In Our Own Words\r\nServer: s\r\nContent-Length: 0\r\n"
              "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n");
    EXPECT_EQ(written(writer, usual, 0, head_writer::connection::unsaid), before);
    own.reset();
    EXPECT_EQ(written(writer, own, 0, head_writer::connection::unsaid), before);
    EXPECT_THROW(own.reason("a\r\nb: c"), std::invalid_argument);
    EXPECT_THROW(own.date("a\nb"), std::invalid_argument);
}

TEST(Statistics, BucketsAreOffByAtMostAnEighth) {
    EXPECT_EQ(latency_buckets::index(0), 0u);
    for (std::size_t i = 1; i < latency_buckets::count; ++i) {
        std::uint64_t low = latency_buckets::lower(i);
        EXPECT_EQ(latency_buckets::index(low), i);
        EXPECT_EQ(latency_buckets::index(low - 1), i - 1);
        EXPECT_LE((latency_buckets::lower(i + 1) - low) * 8, low > 8 ? low : 8);
    }
    EXPECT_EQ(latency_buckets::index(~std::uint64_t{0}), latency_buckets::count - 1);
}

TEST(Statistics, Percentiles) {
    worker_statistics counts;
    EXPECT_EQ(counts.copy().percentile(0.5), 0u);
    counts.replied(98, 1000);
    counts.replied(2, 1'000'000);
    statistics sum = counts.copy();
    sum += counts.copy();
    EXPECT_NEAR(static_cast<double>(sum.percentile(0.5)), 1000, 125);
    EXPECT_NEAR(static_cast<double>(sum.percentile(0.98)), 1000, 125);
    EXPECT_NEAR(static_cast<double>(sum.percentile(0.99)), 1'000'000, 125'000);
}

}  // namespace
}  // namespace allcores::http
