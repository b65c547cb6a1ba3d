// The ceiling of the HTTP benchmarks: the same server as allcores', with handlers in C++ and no
// Python.
//   ceiling [--host H] [--port N] [--workers N]
// Answers "/" with "Hello, World!" and "/json" with a JSON object; anything else is a 404.
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/server.h"

namespace {

namespace http = allcores::http;

class hello final : public http::application {
 public:
    void handle(const http::request& request, http::response& response) override {
        if (request.path == "/") {
            response.content_type("text/plain; charset=utf-8");
            response.permanent_body("Hello, World!");
        } else if (request.path == "/json") {
            // Built anew for each request, as the Python handlers of the same benchmark do it.
            json_.assign(R"({"message": ")").append("Hello, World!").append(R"("})");
            response.content_type("application/json");
            response.body(json_);
        } else {
            response.status(404);
            response.content_type("text/plain; charset=utf-8");
            response.permanent_body("not found\n");
        }
    }

 private:
    std::string json_;
};

int number(const char* text) {
    int value = -1;
    auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
    return error == std::errc() && *end == '\0' ? value : -1;
}

int usage() {
    std::fputs("usage: ceiling [--host H] [--port N] [--workers N]\n", stderr);
    return 2;
}

}  // namespace

int main(int count, char** arguments) {
    http::server_options options{.workers = std::max(1u, std::thread::hardware_concurrency())};
    for (int i = 1; i < count; i += 2) {
        std::string_view name = arguments[i];
        if (i + 1 == count) return usage();
        int value = number(arguments[i + 1]);
        if (name == "--host") {
            options.host = arguments[i + 1];
        } else if (name == "--port" && value >= 0 && value < 65536) {
            options.port = static_cast<std::uint16_t>(value);
        } else if (name == "--workers" && value > 0) {
            options.workers = static_cast<unsigned>(value);
        } else {
            return usage();
        }
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    try {
        http::server server(options);
        server.listen();
        for (const auto& each : server.addresses()) {
            std::printf("listening on http://%s\n", each.text().c_str());
        }
        std::fflush(stdout);
        std::vector<std::jthread> workers;
        for (unsigned i = 0; i < options.workers; ++i) {
            workers.emplace_back([&server, i] {
                hello application;
                server.run(application, i);
            });
        }
        int signal = 0;
        sigwait(&ends, &signal);
        server.stop(std::chrono::seconds(1));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ceiling: %s\n", error.what());
        return 1;
    }
}
