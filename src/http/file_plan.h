// How a file is answered with: from an open regular file, or a part of one, and the request's
// conditions and ranges, to a status, header fields and a list of pieces to send. The server sends
// them (sendfile for the parts of the file); nothing of the file is read here. Any thread may make
// a plan; one thread at a time may use it.
//
// The file's size is read once. When the file shrinks before it is sent, sendfile returns 0 before
// the promised length is through: then only closing the connection tells the client the truth.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/conditional.h"
#include "http/media_type.h"
#include "http/multipart.h"

namespace allcores::http {

// An open file descriptor with one owner.
class unique_descriptor {
 public:
    unique_descriptor() = default;
    explicit unique_descriptor(int descriptor) : descriptor_(descriptor) {}
    unique_descriptor(unique_descriptor&& other) noexcept : descriptor_(other.release()) {}
    unique_descriptor& operator=(unique_descriptor&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~unique_descriptor() { reset(); }

    int get() const { return descriptor_; }
    explicit operator bool() const { return descriptor_ >= 0; }
    int release() { return std::exchange(descriptor_, -1); }
    void reset(int descriptor = -1);

 private:
    int descriptor_ = -1;
};

enum class file_error {
    not_found,    // 404
    forbidden,    // 403: no permission
    not_regular,  // 404: a directory, a FIFO, a socket, a device
    exhausted,    // 503: no descriptors or memory left
    outside,      // 500: the part that the application asked for is not within the file
    invalid,      // 500: a header field, entity tag or status that can't be sent
    failed,       // 500: any other error of the system
};

// The status to answer with, as above.
int status_of(file_error error);

// An open regular file with what fstat said about it.
class regular_file {
 public:
    // Never blocks on a FIFO and never becomes a controlling terminal. A relative path counts from
    // `directory`.
    static std::expected<regular_file, file_error> open(const std::string& path);
    static std::expected<regular_file, file_error> open_at(int directory, const std::string& path);
    // Takes a descriptor that is open already; closes it on failure too.
    static std::expected<regular_file, file_error> adopt(unique_descriptor descriptor);

    int descriptor() const { return descriptor_.get(); }
    std::uint64_t size() const { return static_cast<std::uint64_t>(status_.st_size); }
    const struct stat& status() const { return status_; }

 private:
    regular_file(unique_descriptor descriptor, const struct stat& status)
        : descriptor_(std::move(descriptor)), status_(status) {}

    friend class file_plan;
    unique_descriptor descriptor_;
    struct stat status_;
};

using field_list = std::vector<std::pair<std::string, std::string>>;

// What the application says about the answer. All of it may be left as it is.
struct file_options {
    // The part of the file that is the representation: ranges and lengths count within it.
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;  // none: to the end of the file
    std::string content_type = std::string(unknown_media_type);
    // With its quotes; empty: made of the time of the last change (nanoseconds), size, inode and
    // part; no value: none.
    std::optional<std::string> etag = std::string();
    std::optional<std::int64_t> last_modified;  // seconds since 1970; none: the file's
    // Sent with the answer, before the fields that are made here. Not Content-Length, Content-Type
    // and the like.
    field_list extra;
    // Other than 200, conditions and ranges are not looked at (a page that says 404).
    int status = 200;
};

// The plan. Move-only, because it owns the descriptor, which is closed with it.
class file_plan {
 public:
    // `method` and `conditions` are the request's. Conditions and ranges are for GET and HEAD
    // (ranges only for GET), as the RFC has it; with other methods the whole part is sent.
    static std::expected<file_plan, file_error> make(regular_file file, const file_options& options,
                                                     std::string_view method,
                                                     const request_conditions& conditions,
                                                     std::int64_t now = std::time(nullptr));

    // 200 (or the application's own), 206, 304, 412, 416.
    int status() const { return status_; }

    // All fields but Date, Connection and Content-Length; values are safe to send.
    const field_list& fields() const { return fields_; }

    // What Content-Length says: for HEAD what GET's would, though there is nothing to send. To be
    // left away with 304.
    std::uint64_t content_length() const { return content_length_; }

    // What to send after the header, in order; byte_range: that part of descriptor(), counted from
    // the start of the file. Empty for HEAD, 304, 412, 416 and empty files.
    std::span<const body_segment> segments() const { return segments_; }

    // -1 when no segment needs it; closed already then.
    int descriptor() const { return descriptor_.get(); }

 private:
    file_plan() = default;
    void send_parts(std::vector<byte_range> parts, const std::string& content_type,
                    std::uint64_t start, std::uint64_t size);

    int status_ = 200;
    field_list fields_;
    std::uint64_t content_length_ = 0;
    std::vector<body_segment> segments_;
    unique_descriptor descriptor_;
};

}  // namespace allcores::http
