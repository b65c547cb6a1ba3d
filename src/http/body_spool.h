// Bodies that come slowly, kept outside of memory until they are whole: one file for each, which
// has no name. For applications that block while they read (application::waits_for_body), so that
// none of them waits for a client that could take its time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/byte_buffer.h"
#include "net/descriptor.h"

namespace allcores::http {

// What all bodies of one server may take, and where. Any thread.
class spool_space {
 public:
    // `most` bytes together. Of the folders the first where a file can be made counts: TMPDIR's if
    // that is set, else /var/tmp (/tmp is memory on many systems), else /tmp.
    explicit spool_space(std::uint64_t most);
    spool_space(std::uint64_t most, std::vector<std::string> folders)
        : most_(most), folders_(std::move(folders)) {}

    std::uint64_t most() const { return most_; }
    std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    // Whether to say now that nothing more can be kept: once a minute at most.
    bool may_complain(std::uint64_t now_ms);

 private:
    friend class body_spool;

    bool reserve(std::uint64_t bytes);
    void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    net::descriptor make_file() const;  // none: errno says why

    const std::uint64_t most_;
    const std::vector<std::string> folders_;
    // Writers: whoever adds to a body, or ends one. A counter, which orders nothing.
    std::atomic<std::uint64_t> used_{0};
    std::atomic<std::uint64_t> complained_ms_{0};
};

// The first part of one body. One thread at a time: who owns the connection.
class body_spool {
 public:
    // Null, with errno set, when no file can be made.
    static std::unique_ptr<body_spool> make(spool_space& space);
    body_spool(const body_spool&) = delete;
    ~body_spool() { space_.give_back(size_); }

    // All of it or nothing. False, with errno set (ENOSPC also where the server's space is used
    // up): what was there is still good.
    bool add(std::string_view bytes);
    std::uint64_t size() const { return size_; }

    // The next bytes, in order, at `to`; 0 at the end, -1 with errno set.
    std::ptrdiff_t read(char* to, std::size_t most);

    // What follows those of the file.
    byte_buffer tail;

 private:
    body_spool(spool_space& space, net::descriptor file) : space_(space), file_(std::move(file)) {}

    spool_space& space_;
    const net::descriptor file_;
    std::uint64_t size_ = 0;
    std::uint64_t read_ = 0;
};

}  // namespace allcores::http
