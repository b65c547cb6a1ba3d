#include "http/forwarded.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace allcores::http {
namespace {

TEST(Forwarded, NetworksAndAddresses) {
    const trusted_proxies some("127.0.0.1, 10.0.0.0/8\t192.168.1.128/25 fd00::/9 ::1");
    for (std::string_view good : {"127.0.0.1", "10.0.0.0", "10.255.1.2", "192.168.1.128",
                                  "192.168.1.255", "fd7f::1", "::1", "::ffff:10.1.2.3", ""}) {
        EXPECT_TRUE(some.trusts(good)) << good;
    }
    for (std::string_view bad : {"127.0.0.2", "11.0.0.0", "9.255.255.255", "192.168.1.127",
                                 "fd80::1", "::2", "x", "10.0.0.0.0"}) {
        EXPECT_FALSE(some.trusts(bad)) << bad;
    }
    EXPECT_FALSE(some.empty());
    EXPECT_TRUE(trusted_proxies("*").trusts("1.2.3.4"));
    EXPECT_TRUE(trusted_proxies("0.0.0.0/0").trusts("1.2.3.4"));
    EXPECT_FALSE(trusted_proxies("0.0.0.0/0").trusts("::1"));
    EXPECT_TRUE(trusted_proxies("::/0").trusts("1.2.3.4"));
    for (std::string_view none : {"", " , "}) {
        EXPECT_TRUE(trusted_proxies(none).empty());
        EXPECT_FALSE(trusted_proxies(none).trusts(""));
        EXPECT_FALSE(trusted_proxies(none).trusts("127.0.0.1"));
    }
}

TEST(Forwarded, NamesWhatIsNone) {
    for (std::string_view bad : {"x", "1.2.3", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129",
                                 "10.0.0.0/8x", "localhost", "1.2.3.4/8/8", "fe80::1%eth0"}) {
        EXPECT_THROW(trusted_proxies{bad}, std::invalid_argument) << bad;
    }
}

struct said {
    std::string host;
    std::string_view scheme;
};

said read(std::string_view trusted, std::vector<field> fields) {
    const peer from{"127.0.0.1", 99};
    peer client = from;
    const request request{.method = "GET",
                          .method_number = 1,
                          .headers = fields,
                          .major = 1,
                          .minor = 1,
                          .client = from};
    const std::string_view scheme = trusted_proxies(trusted).read(request, client);
    EXPECT_EQ(client.port, client.host == "127.0.0.1" ? 99 : 0);
    return {client.host, scheme};
}

TEST(Forwarded, TheLastThatIsNotTrusted) {
    const std::string_view two = "127.0.0.1,10.0.0.0/8";
    const auto host = [&](std::string_view value, std::string_view trusted) {
        return read(trusted, {{"X-Forwarded-For", value}}).host;
    };
    EXPECT_EQ(host("1.2.3.4", two), "1.2.3.4");
    EXPECT_EQ(host("6.6.6.6, 1.2.3.4", two), "1.2.3.4");
    EXPECT_EQ(host("6.6.6.6, 1.2.3.4, 10.1.1.1 , 10.2.2.2", two), "1.2.3.4");
    EXPECT_EQ(host("10.3.3.3, 10.1.1.1", two), "10.3.3.3");
    EXPECT_EQ(host("1.2.3.4:5678", two), "1.2.3.4");
    EXPECT_EQ(host("[2001:db8::1]:443", two), "2001:db8::1");
    EXPECT_EQ(host("2001:db8::1", two), "2001:db8::1");
    EXPECT_EQ(host("1.2.3.4, 5.6.7.8", "*"), "1.2.3.4");
    // What is no address ends the chain.
    for (std::string_view bad : {"", "unknown", "1.2.3.4.5", "[", "[::1", "]", ":", "_x"}) {
        EXPECT_EQ(host(bad, two), "127.0.0.1") << bad;
        EXPECT_EQ(host(std::string(bad) + ", 10.1.1.1", two), "10.1.1.1") << bad;
    }
    // Several fields are one list.
    const said both = read(
        two,
        {{"x-forwarded-for", "6.6.6.6, 1.2.3.4"}, {"Other", "x"}, {"X-FORWARDED-FOR", "10.1.1.1"}});
    EXPECT_EQ(both.host, "1.2.3.4");
    EXPECT_EQ(both.scheme, "http");
}

TEST(Forwarded, Schemes) {
    const auto scheme = [](std::vector<field> fields) { return read("*", fields).scheme; };
    EXPECT_EQ(scheme({{"X-Forwarded-Proto", "https"}}), "https");
    EXPECT_EQ(scheme({{"x-forwarded-proto", "WSS"}}), "https");
    EXPECT_EQ(scheme({{"x-forwarded-proto", "ws"}}), "http");
    EXPECT_EQ(scheme({{"x-forwarded-proto", "https, http"}}), "http");
    EXPECT_EQ(scheme({{"x-forwarded-proto", "gopher"}}), "http");
    EXPECT_EQ(scheme({{"x-forwarded-proto", "https"}, {"x-forwarded-proto", "http"}}), "http");
}

}  // namespace
}  // namespace allcores::http
