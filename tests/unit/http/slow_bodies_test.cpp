// Bodies for applications that block while they read: what is kept until it is whole, how many
// workers may wait, and who waits for them.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "http/body_seats.h"
#include "http/body_spool.h"
#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

std::string read_all(body_spool& spool, std::size_t step) {
    std::string all;
    std::string part(step, '\0');
    while (const std::ptrdiff_t count = spool.read(part.data(), step)) {
        if (count < 0) return "error";
        all.append(part, 0, static_cast<std::size_t>(count));
    }
    return all;
}

std::string numbers(std::size_t size) {
    std::string all;
    for (int i = 0; all.size() < size; ++i) all += std::to_string(i) + " ";
    all.resize(size);
    return all;
}

TEST(BodySpool, GivesWhatItWasGiven) {
    spool_space space(1'000'000);
    const std::string body = numbers(200'000);
    for (const std::size_t step : {1'000U, 65'536U, 1'000'000U}) {
        const auto spool = body_spool::make(space);
        ASSERT_TRUE(spool);
        EXPECT_TRUE(spool->add(body.substr(0, 70'000)));
        EXPECT_TRUE(spool->add(body.substr(70'000)));
        EXPECT_EQ(space.used(), 200'000U);
        EXPECT_EQ(read_all(*spool, step), body);
    }
    EXPECT_EQ(space.used(), 0U);
}

TEST(BodySpool, TakesAllOrNothing) {
    spool_space space(100);
    const auto first = body_spool::make(space), second = body_spool::make(space);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(first->add(std::string(60, 'a')));
    EXPECT_FALSE(second->add(std::string(41, 'b')));
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_TRUE(second->add(std::string(40, 'c')));
    EXPECT_FALSE(first->add("a"));
    EXPECT_EQ(read_all(*first, 7), std::string(60, 'a'));
    EXPECT_EQ(read_all(*second, 7), std::string(40, 'c'));
}

TEST(BodySpool, LooksForAFolder) {
    char name[] = "/tmp/allcores-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    spool_space second(100, {std::string(name) + "/none", name});
    const auto spool = body_spool::make(second);
    ASSERT_TRUE(spool);
    EXPECT_TRUE(spool->add("abc"));
    EXPECT_TRUE(std::filesystem::is_empty(name));
    std::filesystem::remove(name);
    spool_space nowhere(100, {name});
    EXPECT_FALSE(body_spool::make(nowhere));
    EXPECT_EQ(errno, ENOENT);
}

TEST(BodySpool, ComplainsOnceAMinute) {
    spool_space space(0);
    EXPECT_TRUE(space.may_complain(5));
    EXPECT_FALSE(space.may_complain(60'004));
    EXPECT_TRUE(space.may_complain(60'005));
}

TEST(BodySeats, LeaveOneWorkerForEachCore) {
    for (const auto& [cores, workers, most] : std::vector<std::array<unsigned, 3>>{
             {2, 1, 0}, {2, 2, 1}, {2, 3, 1}, {2, 8, 6}, {1, 4, 3}, {8, 4, 2}, {8, 32, 24}}) {
        body_seats seats(cores);
        for (unsigned i = 0; i < workers; ++i) seats.add_worker();
        unsigned taken = 0;
        while (seats.take()) ++taken;
        EXPECT_EQ(taken, most) << cores << " " << workers;
        EXPECT_EQ(seats.exist(), most > 0);
        EXPECT_FALSE(seats.has_free());
        if (most == 0) continue;
        EXPECT_FALSE(seats.give_back());
        EXPECT_TRUE(seats.take());
    }
}

// Answers with the body.
class blocking_application final : public application {
 public:
    static inline std::atomic<int> reading = 0;

    void begin(port& worker) override { port_ = &worker; }
    bool takes_parts() const override { return true; }
    bool waits_for_body() const override { return true; }

    void handle(const request& request, response& response) override {
        body_ = request.body;
        if (request.whole) return response.body(body_);
        exchange& held = port_->hold();
        body_.clear();
        ++reading;
        for (;;) {
            const exchange::input found = held.wait_input();
            if (found == exchange::input::gone) return;
            if (found == exchange::input::ended) break;
            body_ += held.unread();
            held.take(held.unread().size());
        }
        const auto size = static_cast<std::int64_t>(body_.size());
        if (held.start(response, size) == exchange::output::gone) return;
        exchange::output sent = held.write(body_);
        if (sent == exchange::output::blocked) sent = held.wait_room();
        if (sent != exchange::output::gone) held.finish();
    }

 private:
    port* port_ = nullptr;
    std::string body_;
};

struct served {
    served(http::limits limits, unsigned workers)
        : server([](unsigned) { return std::make_unique<blocking_application>(); }, limits,
                 workers) {
        blocking_application::reading = 0;
    }
    running_server server;
};

const std::string body = numbers(1'500'000);
const std::string head =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";

TEST(SlowBodies, AreWholeBeforeTheApplicationHasThem) {
    served all({}, 1);
    client slow{*all.server}, other{*all.server};
    slow.send(head);
    for (std::size_t at = 0; at < body.size(); at += 100'000) {
        EXPECT_EQ(other.get("/").status, 200);
        slow.send(body.substr(at, 100'000));
    }
    EXPECT_EQ(slow.read().body, body);
    EXPECT_EQ(slow.get("/").status, 200);
}

// Nothing, or little, can be kept. Who has the only seat keeps it until its body is whole.
TEST(SlowBodies, WaitForASeat) {
    for (const std::uint64_t space : {1U, 65'536U, 300'000U}) {
        http::limits limits;
        limits.max_spooled_bytes = space;
        served all(limits, 2);
        client first{*all.server}, second{*all.server}, other{*all.server};
        first.send(head + body.substr(0, 400'000));
        EXPECT_TRUE(becomes_true([] { return blocking_application::reading == 1; }));
        std::jthread sends([&] { second.send(head + body); });
        EXPECT_EQ(other.get("/").status, 200);
        EXPECT_EQ(blocking_application::reading, 1);
        first.send(body.substr(400'000));
        EXPECT_EQ(first.read().body, body);
        EXPECT_EQ(second.read().body, body);
        EXPECT_EQ(blocking_application::reading, 2);
    }
}

TEST(SlowBodies, AreRefusedWhereNobodyMayWait) {
    http::limits limits;
    limits.max_spooled_bytes = 1;
    limits.body_timeout_ms = 100;
    served all(limits, 1);
    client slow{*all.server};
    slow.send(head + body.substr(0, 200'000));
    EXPECT_EQ(slow.read().status, 503);
    slow.end_sending();
    EXPECT_TRUE(slow.at_end());
    EXPECT_EQ(client{*all.server}.get("/").status, 200);
    EXPECT_EQ(blocking_application::reading, 0);
}

TEST(SlowBodies, ComeAsTheyCanWhereNoneAreKept) {
    http::limits limits;
    limits.max_spooled_bytes = 0;
    served all(limits, 1);
    client slow{*all.server};
    slow.send(head + "a");
    EXPECT_TRUE(becomes_true([] { return blocking_application::reading == 1; }));
    slow.send(body.substr(1));
    EXPECT_EQ(slow.read().body.size(), body.size());
}

// Many that are fast, for few seats, and each byte where it belongs.
TEST(SlowBodies, ManyAtATime) {
    http::limits limits;
    limits.max_spooled_bytes = 4'000'000;
    served all(limits, 4);
    std::vector<std::jthread> clients;
    clients.reserve(12);
    std::atomic<int> good = 0;
    for (int i = 0; i < 12; ++i) {
        clients.emplace_back([&, i] {
            client one{*all.server};
            for (int round = 0; round < 5; ++round) {
                if ((i + round) % 3 == 0) {
                    one.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                    for (std::size_t at = 0; at < body.size(); at += 50'000) {
                        one.send("c350\r\n" + body.substr(at, 50'000) + "\r\n");
                    }
                    one.send("0\r\n\r\n");
                } else {
                    one.send(head + body);
                }
                if (one.read().body == body) ++good;
            }
        });
    }
    clients.clear();
    EXPECT_EQ(good, 60);
}

}  // namespace
}  // namespace allcores::http::testing
