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
    // A part of a copy that others may have too.
    void add_shared(std::shared_ptr<const char[]> copy, std::size_t offset, std::size_t size);
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
        std::shared_ptr<const char[]> copy;  // what `bytes` points into, if that is a copy
    };

    std::int64_t send_memory(int socket);
    std::int64_t send_file(int socket);
    void advance(std::uint64_t bytes);

    std::deque<piece> pieces_;
    std::uint64_t unsent_ = 0;       // the pieces' lengths
    std::optional<file_plan> plan_;  // what pieces_ without `bytes`, or its own text, are of
};

}  // namespace allcores::http
