// One client connection to the server under test: sends requests, reads and checks the responses.
// Why not a library's: responses are validated (status, length, body) at a cost far below a
// server's, so that the generator, which shares the machine with the server, stays out of the way.
// One thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace allcores::load {

// What went wrong, by kind; every response that is not exactly the expected one counts somewhere
// here.
struct error_counts {
    uint64_t status = 0;      // not 200
    uint64_t body = 0;        // 200 with another body than the expected one
    uint64_t malformed = 0;   // no end of the head, no Content-Length, not HTTP/1.1
    uint64_t closed = 0;      // responses that never came because the server closed the connection
    uint64_t unanswered = 0;  // responses that had not come when the time was up
    uint64_t total() const { return status + body + malformed + closed + unanswered; }
};

struct address {
    std::string host;
    int port;
};

// A connected, non-blocking socket with Nagle's algorithm off; throws std::system_error.
int connect_to(const address& server);

class connection {
 public:
    connection(const address& server, int epoll, uint32_t number);
    connection(connection&&) = delete;
    ~connection();

    // Sends bytes that ask for `count` responses, each of which must have this body (which must
    // outlive the answer). False when the server has gone; then call reopen().
    [[nodiscard]] bool send(std::string_view bytes, int count, std::string_view body);

    // More of a request's body: how many bytes the socket took, 0 or less when it has no room or
    // has gone, which receive() says then.
    ptrdiff_t send_part(std::string_view bytes);
    // Whether the epoll set is to say when there is room again.
    void watch_room(bool watches);

    // What has arrived: reads once, calls `each()` for every complete response, right or wrong (the
    // error is counted). False when the connection has ended; then call reopen().
    template <typename Each>
    [[nodiscard]] bool receive(error_counts& errors, Each each);

    // Connects anew; responses still outstanding are lost and counted as closed.
    void reopen(error_counts& errors);

    int outstanding() const { return outstanding_; }

 private:
    // The size of the first response in `data` with its body, 0 when it is not complete, -1 when
    // malformed. Its errors are counted.
    ptrdiff_t parse(std::string_view data, error_counts& errors);
    ptrdiff_t parse_head(std::string_view data);
    ptrdiff_t parse_chunks(std::string_view data, error_counts& errors);
    std::string_view read(bool& ended);

    const address& server_;
    int epoll_;
    uint32_t number_;
    int fd_ = -1;
    int outstanding_ = 0;
    bool watches_room_ = false;
    std::string_view expected_;
    std::string rest_;  // an incomplete response
    // The last head and what it meant. Heads repeat but for the date, so one comparison parses
    // most.
    std::string head_;
    size_t body_length_ = 0;
    bool chunked_ = false;
    bool status_ok_ = false;
    std::string chunks_;  // the body of a response that came in chunks
};

template <typename Each>
bool connection::receive(error_counts& errors, Each each) {
    bool ended = false;
    std::string_view data = read(ended);
    while (!data.empty()) {
        const ptrdiff_t size = parse(data, errors);
        if (size < 0 || (size > 0 && outstanding_ == 0)) {
            errors.malformed += 1;
            return false;
        }
        if (size == 0) break;
        data.remove_prefix(size);
        --outstanding_;
        each();
    }
    rest_.assign(data);
    return !ended;
}

}  // namespace allcores::load
