#include "http/body_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace allcores::http {
namespace {

constexpr std::uint64_t between_complaints_ms = 60'000;

std::vector<std::string> usual_folders() {
    const char* chosen = std::getenv("TMPDIR");
    if (chosen != nullptr && *chosen != '\0') return {chosen};
    return {"/var/tmp", "/tmp"};
}

// For file systems that make no files without a name.
net::descriptor make_and_unlink(const std::string& folder) {
    std::string path = folder + "/allcores-body-XXXXXX";
    net::descriptor made(::mkostemp(path.data(), O_CLOEXEC));
    if (made) ::unlink(path.c_str());
    return made;
}

}  // namespace

spool_space::spool_space(std::uint64_t most) : spool_space(most, usual_folders()) {}

bool spool_space::may_complain(std::uint64_t now_ms) {
    std::uint64_t last = complained_ms_.load(std::memory_order_relaxed);
    return (last == 0 || now_ms >= last + between_complaints_ms) &&
           complained_ms_.compare_exchange_strong(last, std::max<std::uint64_t>(1, now_ms));
}

bool spool_space::reserve(std::uint64_t bytes) {
    const std::uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before <= most_ && bytes <= most_ - before) return true;
    give_back(bytes);
    return false;
}

net::descriptor spool_space::make_file() const {
    for (const std::string& folder : folders_) {
        net::descriptor made(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        if (!made && (errno == EOPNOTSUPP || errno == EISDIR)) made = make_and_unlink(folder);
        if (made) return made;
    }
    return {};
}

std::unique_ptr<body_spool> body_spool::make(spool_space& space) {
    net::descriptor file = space.make_file();
    if (!file) return nullptr;
    return std::unique_ptr<body_spool>(new body_spool(space, std::move(file)));
}

bool body_spool::add(std::string_view bytes) {
    if (!space_.reserve(bytes.size())) {
        errno = ENOSPC;
        return false;
    }
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t count = ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done,
                                       static_cast<off_t>(size_ + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            const int error = count < 0 ? errno : ENOSPC;
            space_.give_back(bytes.size());
            errno = error;
            return false;
        }
        done += static_cast<std::size_t>(count);
    }
    size_ += bytes.size();
    return true;
}

std::ptrdiff_t body_spool::read(char* to, std::size_t most) {
    const std::size_t wanted = std::min<std::uint64_t>(most, size_ - read_);
    for (;;) {
        const ssize_t count = ::pread(file_.get(), to, wanted, static_cast<off_t>(read_));
        if (count < 0 && errno == EINTR) continue;
        if (count == 0 && wanted != 0) {  // somebody has made it shorter
            errno = EIO;
            return -1;
        }
        if (count > 0) read_ += static_cast<std::uint64_t>(count);
        return count;
    }
}

}  // namespace allcores::http
