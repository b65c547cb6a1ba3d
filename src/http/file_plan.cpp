#include "http/file_plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "http/date.h"
#include "http/range.h"
#include "http/status.h"
#include "http/syntax.h"

namespace allcores::http {
namespace {

file_error error_of(int number) {
    switch (number) {
        case ENOENT:
        case ENOTDIR:
        case ENAMETOOLONG:
        case ELOOP:
            return file_error::not_found;
        case EACCES:
        case EPERM:
            return file_error::forbidden;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return file_error::exhausted;
        case ENXIO:  // a socket, or a device that is not there
        case ENODEV:
        case EISDIR:
            return file_error::not_regular;
        default:
            return file_error::failed;
    }
}

struct part_of_file {
    std::uint64_t offset;
    std::uint64_t size;
};

std::string default_etag(const struct stat& status, const part_of_file& part) {
    std::string etag = "\"";
    const auto hexadecimal = [&](std::uint64_t value) {
        std::array<char, 16> digits;
        std::size_t count = 0;
        do {
            digits[count++] = "0123456789abcdef"[value & 15];
        } while ((value >>= 4) != 0);
        while (count > 0) etag.push_back(digits[--count]);
    };
    const auto file_size = static_cast<std::uint64_t>(status.st_size);
    hexadecimal(static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
    etag.push_back('-');
    hexadecimal(file_size);
    etag.push_back('-');
    hexadecimal(status.st_ino);
    if (part.offset != 0 || part.size != file_size) {
        etag.push_back('-');
        hexadecimal(part.offset);
        etag.push_back('-');
        hexadecimal(part.size);
    }
    return etag.append("\"");
}

// The fields that the plan makes, or the server: an application that sent its own would contradict
// them.
bool is_reserved(std::string_view name) {
    static constexpr std::array<std::string_view, 8> names = {
        "content-length", "content-type", "content-range",     "accept-ranges",
        "etag",           "connection",   "transfer-encoding", "last-modified"};
    return std::ranges::any_of(names, [&](auto each) { return equal_ignoring_case(name, each); });
}

bool can_be_sent(const file_options& options) {
    if (options.status < 200 || options.status > 599 || has_no_body(options.status) ||
        has_empty_body(options.status) || options.status == 206) {
        return false;
    }
    if (!is_field_value(options.content_type)) return false;
    if (options.etag && !options.etag->empty() && !is_etag(*options.etag)) return false;
    return std::ranges::all_of(options.extra, [](const auto& field) {
        return is_token(field.first) && is_field_value(field.second) && !is_reserved(field.first);
    });
}

// Fields that describe the content, which 304 does not carry.
bool describes_content(std::string_view name) {
    static constexpr std::array<std::string_view, 4> names = {
        "content-encoding", "content-language", "content-disposition", "content-md5"};
    return std::ranges::any_of(names, [&](auto each) { return equal_ignoring_case(name, each); });
}

}  // namespace

void unique_descriptor::reset(int descriptor) {
    // Not repeated after EINTR: on Linux the descriptor is closed then too.
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = descriptor;
}

int status_of(file_error error) {
    switch (error) {
        case file_error::not_found:
        case file_error::not_regular:
            return 404;
        case file_error::forbidden:
            return 403;
        case file_error::exhausted:
            return 503;
        case file_error::outside:
        case file_error::invalid:
        case file_error::failed:
            break;
    }
    return 500;
}

std::expected<regular_file, file_error> regular_file::open(const std::string& path) {
    return open_at(AT_FDCWD, path);
}

std::expected<regular_file, file_error> regular_file::open_at(int directory,
                                                              const std::string& path) {
    // What the system would take for the end of the path is not a name that can exist.
    if (path.contains('\0')) return std::unexpected(file_error::not_found);
    int descriptor;
    do {
        descriptor =
            ::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return std::unexpected(error_of(errno));
    return adopt(unique_descriptor(descriptor));
}

std::expected<regular_file, file_error> regular_file::adopt(unique_descriptor descriptor) {
    struct stat status;
    if (::fstat(descriptor.get(), &status) != 0) return std::unexpected(error_of(errno));
    if (!S_ISREG(status.st_mode)) return std::unexpected(file_error::not_regular);
    return regular_file(std::move(descriptor), status);
}

std::expected<file_plan, file_error> file_plan::make(regular_file file, const file_options& options,
                                                     std::string_view method,
                                                     const request_conditions& conditions,
                                                     std::int64_t now) {
    const std::uint64_t file_size = file.size();
    if (options.offset > file_size) return std::unexpected(file_error::outside);
    const part_of_file part{options.offset, options.length.value_or(file_size - options.offset)};
    if (part.size > file_size - part.offset) return std::unexpected(file_error::outside);
    if (!can_be_sent(options)) return std::unexpected(file_error::invalid);

    std::string etag;
    if (options.etag)
        etag = options.etag->empty() ? default_etag(file.status_, part) : *options.etag;
    // A time to come would be a lie by the time it is compared (RFC 9110 section 8.8.2.1).
    const std::int64_t last_modified =
        std::min(options.last_modified.value_or(file.status_.st_mtim.tv_sec), now);
    const validators current{etag, last_modified};

    file_plan plan;
    plan.status_ = options.status;
    plan.content_length_ = part.size;
    const bool retrieval = (method == "GET" || method == "HEAD") && options.status == 200;
    const precondition outcome =
        retrieval ? check_preconditions(method, conditions, current) : precondition::proceed;
    if (outcome == precondition::failed) {
        plan.status_ = 412;
        plan.content_length_ = 0;
        return plan;
    }
    std::vector<byte_range> parts{{0, part.size}};
    if (outcome == precondition::proceed && retrieval && method == "GET" && conditions.range &&
        if_range_holds(conditions, current, now)) {
        std::vector<byte_range> wanted;
        const range_result result = parse_range(*conditions.range, part.size, wanted);
        if (result == range_result::unsatisfiable) {
            plan.status_ = 416;
            plan.content_length_ = 0;
            plan.fields_.emplace_back("Content-Range", unsatisfied_range(part.size));
            plan.fields_.emplace_back("Accept-Ranges", "bytes");
            return plan;
        }
        if (result == range_result::partial) {
            plan.status_ = 206;
            parts = std::move(wanted);
        }
    }
    if (outcome == precondition::not_modified) plan.status_ = 304;
    for (const auto& field : options.extra) {
        if (plan.status_ != 304 || !describes_content(field.first)) plan.fields_.push_back(field);
    }
    if (!etag.empty()) plan.fields_.emplace_back("ETag", etag);
    plan.fields_.emplace_back("Last-Modified", format_date(last_modified));
    if (plan.status_ == 304) return plan;
    if (options.status == 200) plan.fields_.emplace_back("Accept-Ranges", "bytes");
    plan.send_parts(std::move(parts), options.content_type, part.offset, part.size);
    if (method == "HEAD") plan.segments_.clear();
    const bool needs_file = std::ranges::any_of(plan.segments_, [](const body_segment& segment) {
        return std::holds_alternative<byte_range>(segment);
    });
    if (needs_file) plan.descriptor_ = std::move(file.descriptor_);
    return plan;
}

void file_plan::send_parts(std::vector<byte_range> parts, const std::string& content_type,
                           std::uint64_t start, std::uint64_t size) {
    if (parts.size() > 1) {
        const std::string boundary = make_boundary();
        fields_.emplace_back("Content-Type", "multipart/byteranges; boundary=" + boundary);
        segments_ = byteranges_body(boundary, content_type, parts, start, size);
    } else {
        const byte_range part = parts.front();
        if (!content_type.empty()) fields_.emplace_back("Content-Type", content_type);
        if (status_ == 206) fields_.emplace_back("Content-Range", content_range(part, size));
        if (part.length > 0) segments_.emplace_back(byte_range{start + part.offset, part.length});
    }
    content_length_ = 0;
    for (const body_segment& segment : segments_) content_length_ += segment_length(segment);
}

}  // namespace allcores::http
