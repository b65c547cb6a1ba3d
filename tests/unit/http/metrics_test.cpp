#include "http/metrics.h"

#include <gtest/gtest.h>

namespace allcores::http {
namespace {

TEST(Metrics, Text) {
    worker_statistics counts;
    counts.requests.add(3);
    counts.response_sent(200);
    counts.response_sent(204);
    counts.response_sent(503);
    counts.replied(2, 200'000);
    counts.replied(1, 3'000'000'000);
    counts.bytes_sent.add(99);
    statistics one = counts.copy();
    one.cpu_ns = 1'500'000'000;
    const std::string text = metrics_text({one, statistics()}, 2, 7);
    for (std::string_view line :
         {"# TYPE allcores_workers gauge\nallcores_workers 2\n",
          "allcores_responses_total{class=\"2xx\"} 2\n",
          "allcores_responses_total{class=\"5xx\"} 1\n",
          "# TYPE allcores_request_duration_seconds histogram\n",
          "allcores_request_duration_seconds_bucket{le=\"0.0001\"} 0\n",
          "allcores_request_duration_seconds_bucket{le=\"0.00025\"} 2\n",
          "allcores_request_duration_seconds_bucket{le=\"2.5\"} 2\n",
          "allcores_request_duration_seconds_bucket{le=\"5\"} 3\n",
          "allcores_request_duration_seconds_bucket{le=\"+Inf\"} 3\n",
          "allcores_request_duration_seconds_sum 3.0004\n",
          "allcores_request_duration_seconds_count 3\n", "allcores_connections 7\n",
          "allcores_sent_bytes_total 99\n", "allcores_requests_total{worker=\"0\"} 3\n",
          "allcores_worker_cpu_seconds_total{worker=\"0\"} 1.5\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
    }
    EXPECT_EQ(text.find("worker=\"1\""), std::string::npos);
    EXPECT_TRUE(text.ends_with('\n'));
}

}  // namespace
}  // namespace allcores::http
