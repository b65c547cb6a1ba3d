// A server on a free port of loopback with worker threads, and a blocking client with a time limit,
// for tests.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/server.h"
#include "net/descriptor.h"

namespace allcores::http::testing {

using handler = std::function<void(const request&, response&)>;

// Answers with what it got: "GET /path?query [body]".
inline void echo(const request& request, response& response) {
    static thread_local std::string text;
    text = std::string(request.method) + " " + std::string(request.path) + "?" +
           std::string(request.query) + " [" + std::string(request.body) + "]";
    response.content_type("text/plain");
    response.body(text);
}

class handler_application : public application {
 public:
    explicit handler_application(handler handle) : handle_(std::move(handle)) {}
    void handle(const request& request, response& response) override { handle_(request, response); }

 private:
    handler handle_;
};

class running_server {
 public:
    using maker = std::function<std::unique_ptr<application>(unsigned)>;

    explicit running_server(handler handle = echo, http::limits limits = {}, unsigned workers = 3)
        : running_server(
              [handle](unsigned) { return std::make_unique<handler_application>(handle); }, limits,
              workers) {}

    running_server(maker make, http::limits limits, unsigned workers)
        : server_({.port = 0, .limits = limits, .server_name = "test", .workers = workers}) {
        server_.listen();
        for (unsigned i = 0; i < workers; ++i) {
            threads_.emplace_back([this, make, i] {
                std::unique_ptr<application> mine = make(i);
                server_.run(*mine, i);
            });
        }
    }
    ~running_server() {
        server_.stop(std::chrono::milliseconds(0));
        join();
    }

    void join() { threads_.clear(); }
    server& operator*() { return server_; }
    server* operator->() { return &server_; }

    statistics total() const {
        statistics sum;
        for (unsigned i = 0; i < server_.options().workers; ++i) sum += server_.snapshot(i);
        return sum;
    }

 private:
    server server_;
    std::vector<std::jthread> threads_;
};

// Lets other threads run until something is true; false after a long time.
template <class Condition>
[[nodiscard]] bool becomes_true(Condition condition) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

struct reply {
    int status = 0;
    std::string head;  // with the empty line
    std::string body;

    std::string header(std::string_view name) const {
        std::size_t at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) return {};
        at += name.size() + 4;
        return head.substr(at, head.find("\r\n", at) - at);
    }
};

class client {
 public:
    explicit client(server& to, int receive_buffer = 0)
        : client(to.addresses().at(0), receive_buffer) {}
    explicit client(const net::address& to, int receive_buffer = 0)
        : socket_(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        timeval limit{.tv_sec = 30, .tv_usec = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (receive_buffer) {
            ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                         sizeof receive_buffer);
        }
        int on = 1;
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(socket_.get(), to.get(), to.size())) {
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        }
    }

    int get() const { return socket_.get(); }

    // False when the server has closed.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count < 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    void end_sending() { ::shutdown(socket_.get(), SHUT_WR); }
    void close() { socket_.reset(); }

    // One reply, framed by Content-Length. Throws at the end of the connection or the time limit.
    reply read(bool with_body = true) {
        std::size_t end;
        while ((end = received_.find("\r\n\r\n")) == std::string::npos) more();
        reply result;
        result.head = received_.substr(0, end + 4);
        received_.erase(0, end + 4);
        result.status = std::stoi(result.head.substr(9, 3));
        std::string length = result.header("Content-Length");
        if (with_body && !length.empty()) {
            std::size_t size = std::stoull(length);
            while (received_.size() < size) more();
            result.body = received_.substr(0, size);
            received_.erase(0, size);
        }
        return result;
    }

    // Everything up to the end of the connection. Throws at the time limit or a reset.
    std::string read_all() {
        while (receive() > 0) {
        }
        return std::exchange(received_, {});
    }

    // Nothing more comes, and the server has closed.
    bool at_end() { return received_.empty() && receive() == 0; }

    reply get(std::string_view path) {
        send("GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n\r\n");
        return read();
    }

 private:
    ssize_t receive() {
        char buffer[65536];
        ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
        if (count < 0) throw std::runtime_error(std::string("recv: ") + std::strerror(errno));
        received_.append(buffer, static_cast<std::size_t>(count));
        return count;
    }
    void more() {
        if (receive() == 0) throw std::runtime_error("closed; received: " + received_);
    }

    net::descriptor socket_;
    std::string received_;
};

}  // namespace allcores::http::testing
