#include "http/pending_output.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <variant>

namespace allcores::http {
namespace {

// One connection's share of a worker before others get theirs, when the client is as fast as we
// are.
constexpr std::uint64_t bytes_a_turn = 8u << 20;
constexpr std::uint64_t most_of_file_a_call = 1u << 20;
constexpr std::size_t most_vectors = 16;

}  // namespace

void pending_output::add_copy(std::string_view bytes) {
    if (bytes.empty()) return;
    auto copy = std::make_shared_for_overwrite<char[]>(bytes.size());
    std::memcpy(copy.get(), bytes.data(), bytes.size());
    add_shared(std::move(copy), 0, bytes.size());
}

void pending_output::add_shared(std::shared_ptr<const char[]> copy, std::size_t offset,
                                std::size_t size) {
    if (size == 0) return;
    const char* const bytes = copy.get() + offset;
    pieces_.push_back({.bytes = bytes, .length = size, .copy = std::move(copy)});
    unsent_ += size;
}

void pending_output::add_permanent(std::string_view bytes) {
    if (bytes.empty()) return;
    pieces_.push_back({.bytes = bytes.data(), .length = bytes.size(), .copy = {}});
    unsent_ += bytes.size();
}

void pending_output::add_file(file_plan&& plan) {
    plan_ = std::move(plan);
    for (const body_segment& segment : plan_->segments()) {
        if (const auto* text = std::get_if<std::string>(&segment)) {
            add_permanent(*text);
        } else {
            const auto& range = std::get<byte_range>(segment);
            if (!range.length) continue;
            pieces_.push_back({.offset = range.offset, .length = range.length, .copy = {}});
            unsent_ += range.length;
        }
    }
}

pending_output::outcome pending_output::send(int socket, std::uint64_t& sent) {
    std::uint64_t this_turn = 0;
    while (!pieces_.empty()) {
        if (this_turn >= bytes_a_turn) return outcome::yielded;
        std::int64_t count = pieces_.front().bytes ? send_memory(socket) : send_file(socket);
        if (count < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? outcome::blocked : outcome::failed;
        }
        if (count == 0) return outcome::failed;  // the end of a file that became shorter
        advance(static_cast<std::uint64_t>(count));
        this_turn += static_cast<std::uint64_t>(count);
        sent += static_cast<std::uint64_t>(count);
    }
    return outcome::done;
}

std::int64_t pending_output::send_memory(int socket) {
    iovec vectors[most_vectors];
    std::size_t count = 0;
    for (const piece& each : pieces_) {
        if (!each.bytes || count == most_vectors) break;
        vectors[count++] = {const_cast<char*>(each.bytes), static_cast<std::size_t>(each.length)};
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    // A head goes out together with the file's first bytes.
    int more = count < pieces_.size() ? MSG_MORE : 0;
    return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
}

std::int64_t pending_output::send_file(int socket) {
    const piece& front = pieces_.front();
    auto offset = static_cast<off_t>(front.offset);
    return ::sendfile(socket, plan_->descriptor(), &offset,
                      static_cast<std::size_t>(std::min(front.length, most_of_file_a_call)));
}

void pending_output::advance(std::uint64_t bytes) {
    unsent_ -= bytes;
    while (bytes) {
        piece& front = pieces_.front();
        std::uint64_t step = std::min(bytes, front.length);
        bytes -= step;
        front.length -= step;
        front.offset += step;
        if (front.bytes) front.bytes += step;
        if (!front.length) pieces_.pop_front();
    }
}

}  // namespace allcores::http
