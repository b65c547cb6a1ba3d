// What a connection still has to send because the socket is full, or because it comes from a file:
// a queue of pieces. Made only then, so that a connection whose client keeps up has none. The
// connection's owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "http/file_plan.h"

namespace allcores::http {

class pending_output {
 public:
    enum class [[nodiscard]] outcome {
        done,     // everything is sent
        blocked,  // the socket is full; go on when it is writable
        yielded,  // much is sent and more could be: let others have a turn first
        failed,   // the connection broke, or the file is shorter than was promised
    };

    pending_output() = default;
    pending_output(const pending_output&) = delete;

    void add_copy(std::string_view bytes);
    void add_permanent(std::string_view bytes);
    // The plan's body. At most once at a time.
    void add_file(file_plan&& plan);

    std::uint64_t unsent() const { return unsent_; }

    // Sends what the socket takes and adds the number of bytes to `sent`.
    outcome send(int socket, std::uint64_t& sent);

 private:
    struct piece {
        const char* bytes = nullptr;  // null: from the file
        std::uint64_t offset = 0;     // in the file
        std::uint64_t length = 0;
    };

    std::int64_t send_memory(int socket);
    std::int64_t send_file(int socket);
    void advance(std::uint64_t bytes);

    std::deque<piece> pieces_;
    std::uint64_t unsent_ = 0;                     // the pieces' lengths
    std::vector<std::unique_ptr<char[]>> copies_;  // what pieces_ point into
    std::optional<file_plan> plan_;                // the same
};

}  // namespace allcores::http
