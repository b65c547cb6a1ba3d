// Serving within a loop that waits by itself: it watches the worker's descriptors, and answers some
// requests between two looks.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <utility>
#include <vector>

#include "http/exchange.h"
#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

// "/later" is answered when the loop has the time, in two parts; "/held" never.
class looping_application final : public application {
 public:
    looping_application(bool has_alarm, std::atomic<int>& held)
        : has_alarm_(has_alarm), held_(held) {}

    void begin(port& worker) override { port_ = &worker; }
    bool takes_parts() const override { return true; }
    bool has_loop() const override { return true; }
    bool is_idle() override { return false; }

    void drive() override {
        const auto watched = port_->descriptors();
        bool has_ended = port_->look() == port::turned::ended;
        while (!has_ended) {
            answer();
            port_->rest();
            pollfd waiting[3] = {
                {watched[0], POLLIN, 0}, {watched[1], POLLIN, 0}, {watched[2], POLLIN, 0}};
            EXPECT_GT(::poll(waiting, has_alarm_ ? 3 : 2, 30'000), 0);
            has_ended = port_->look() == port::turned::ended;
        }
    }

    void handle(const request& request, response& response) override {
        if (request.path == "/now") return response.body("now");
        exchange& held = port_->hold();
        ++held_;
        if (request.path == "/later") later_.push_back(&held);
        if (request.path != "/timed") return;
        held.listen(&listener_);
        held.expect_within(20);
    }

 private:
    // Whose time is over, the server cuts.
    struct deaf : exchange::listener {
        void on_input() override {}
        void on_room() override {}
        void on_gone() override {}
    };

    void answer() {
        for (exchange* each : std::exchange(later_, {})) {
            response head;
            if (each->start(head, 5) == exchange::output::gone) continue;
            if (each->write("la") == exchange::output::gone) continue;
            if (each->write("ter") == exchange::output::gone) continue;
            each->finish();
        }
    }

    const bool has_alarm_;
    std::atomic<int>& held_;
    deaf listener_;
    port* port_ = nullptr;
    std::vector<exchange*> later_;
};

class looking_server {
 public:
    explicit looking_server(unsigned workers, bool has_alarm = true)
        : server_({.port = 0, .workers = workers, .on_duty = workers}) {
        server_.listen();
        for (unsigned i = 0; i < workers; ++i) {
            threads_.emplace_back([this, i, has_alarm] {
                looping_application mine(has_alarm, held);
                server_.run(mine, i);
            });
        }
    }
    ~looking_server() { server_.stop(std::chrono::milliseconds(0)); }
    server& operator*() { return server_; }

    std::atomic<int> held{0};  // requests so far that were not answered at once

 private:
    server server_;
    std::vector<std::jthread> threads_;  // ended first
};

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

// No alarm: what is answered between two looks has to ask for the next one, or its connection
// would never go on.
TEST(Look, IsAskedForByWhatIsDoneOutsideOfIt) {
    looking_server server(1, false);
    for (int round = 0; round < 50; ++round) {
        client one(*server);
        one.send(get("/later") + get("/now") + get("/later"));
        EXPECT_EQ(one.read().body, "later");
        EXPECT_EQ(one.read().body, "now");
        EXPECT_EQ(one.read().body, "later");
    }
}

TEST(Look, ServesManyByAFewWorkers) {
    looking_server server(3);
    std::vector<std::jthread> threads;
    for (int each = 0; each < 6; ++each) {
        threads.emplace_back([&] {
            client one(*server);
            for (int round = 0; round < 200; ++round) {
                EXPECT_EQ(one.get("/now").body, "now");
                EXPECT_EQ(one.get("/later").body, "later");
            }
        });
    }
}

TEST(Look, TheAlarmIsForWhatIsDue) {
    looking_server server(2);
    client one(*server);
    one.send(get("/timed"));
    EXPECT_EQ(one.read_all(), "");  // cut
    client other(*server);
    EXPECT_EQ(other.get("/now").body, "now");
}

TEST(Look, TheEndCutsWhatIsHeld) {
    auto server = std::make_unique<looking_server>(2);
    client one(**server);
    EXPECT_EQ(one.get("/now").body, "now");
    one.send(get("/held"));
    ASSERT_TRUE(becomes_true([&] { return server->held == 1; }));
    server.reset();
    EXPECT_EQ(one.read_all(), "");
}

}  // namespace
}  // namespace allcores::http::testing
