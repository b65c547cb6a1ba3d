// Copies of shared objects in memory files (memfd_create), or in unlinked files where there are
// none.
#include "interpreter/image_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <system_error>

namespace allcores::interpreter {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void write_all(int descriptor, const void* data, std::size_t size, std::size_t offset,
               const std::string& label) {
    const auto* next = static_cast<const std::byte*>(data);
    while (size > 0) {
        const ssize_t written = pwrite(descriptor, next, size, static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) continue;
            fail("no room for an interpreter's own copy of " + label);
        }
        next += written;
        offset += static_cast<std::size_t>(written);
        size -= static_cast<std::size_t>(written);
    }
}

// An open file without a name.
int open_nameless(const std::string& label) {
    const std::string name = "allcores:" + label.substr(0, 200);
#ifdef MFD_EXEC
    int descriptor = memfd_create(name.c_str(), MFD_CLOEXEC | MFD_EXEC);
    if (descriptor < 0 && errno == EINVAL)  // a kernel before 6.3
        descriptor = memfd_create(name.c_str(), MFD_CLOEXEC);
#else
    int descriptor = memfd_create(name.c_str(), MFD_CLOEXEC);
#endif
    if (descriptor >= 0) return descriptor;
    // Some systems forbid code in memory files (vm.memfd_noexec).
    const char* folder = std::getenv("TMPDIR");
    descriptor = open(folder != nullptr && *folder != 0 ? folder : "/tmp",
                      O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
    if (descriptor < 0) fail("no place for an interpreter's own copy of " + label);
    return descriptor;
}

// The descriptor's number is used again when it is closed, and the linker takes an equal path for
// the same file. So each path spells its way through the folder differently: a "." more or a "/"
// more, by the binary digits of a number that counts on.
std::string unique_path(int descriptor) {
    static std::atomic<std::uint64_t> next = 1;  // counts; pairs with nothing
    std::string path = "/proc/self/fd";
    for (std::uint64_t rest = next.fetch_add(1, std::memory_order_relaxed); rest != 0; rest >>= 1)
        path += (rest & 1) != 0 ? "/." : "/";
    return path + "/" + std::to_string(descriptor);
}

}  // namespace

bool is_path_of_image(std::string_view path) {
    while (path.starts_with("//")) path.remove_prefix(1);
    return path.starts_with("/proc/self/fd/") || path.starts_with("/dev/fd/");
}

mapped_file::mapped_file(const std::string& path)
    : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail(path);
    struct stat status;
    void* mapped = MAP_FAILED;
    if (fstat(descriptor_, &status) == 0) {
        size_ = static_cast<std::size_t>(status.st_size);
        if (size_ > 0) mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
        if (size_ == 0) errno = ENOEXEC;
    }
    if (mapped == MAP_FAILED) {
        const int error = errno;
        close(descriptor_);
        errno = error;
        fail(path);
    }
    data_ = static_cast<const std::byte*>(mapped);
}

mapped_file::~mapped_file() {
    munmap(const_cast<std::byte*>(data_), size_);
    close(descriptor_);
}

image_file::image_file(const mapped_file& original, const elf_file& parts, const std::string& label)
    : descriptor_(open_nameless(label)), label_(label) {
    try {
        const auto bytes = original.bytes();
        // The rest of the file (symbols for debuggers, names of sections) is never mapped.
        for (const auto& part : parts.segments()) {
            if (parts.is_for_later(part)) continue;
            write_all(descriptor_, bytes.data() + part.offset, part.size, part.offset, label);
        }
        if (ftruncate(descriptor_, static_cast<off_t>(bytes.size())) != 0) fail(label);
        path_ = unique_path(descriptor_);
    } catch (...) {
        close(descriptor_);
        throw;
    }
}

image_file::~image_file() {
    close(descriptor_);
}

void image_file::fill(const mapped_file& original, const elf_file& parts,
                      const elf_file::segment& part) {
    if (!parts.is_for_later(part)) return;
    const std::byte* from = original.bytes().data() + part.offset;
    write_all(descriptor_, from, part.size, part.offset, label_);
}

void image_file::apply(std::span<const elf_file::patch> patches) {
    for (const auto& patch : patches)
        write_all(descriptor_, patch.bytes.data(), patch.bytes.size(), patch.offset, label_);
}

// Spelled with "/" and "/." as unique_path() does, but in so many characters: of the ways to do
// that, each is used once.
std::string image_file::path_of_length(std::size_t length) const {
    static std::mutex mutex;                           // guards `used`
    static std::map<std::size_t, std::uint64_t> used;  // by length
    const std::string end = "/" + std::to_string(descriptor_);
    std::string path = access("/dev/fd", X_OK) == 0 ? "/dev/fd" : "//proc/self/fd";
    if (length >= path.size() + end.size()) {
        std::size_t rest = length - path.size() - end.size();
        std::vector<std::uint64_t> ways = {1, 1};  // to fill so many characters: Fibonacci numbers
        while (ways.size() <= rest) ways.push_back(ways.back() + ways[ways.size() - 2]);
        const std::lock_guard lock(mutex);
        std::uint64_t number = used[length]++;
        if (number < ways[rest]) {
            while (rest > 0) {
                if (number < ways[rest - 1]) {
                    path += "/";
                    rest -= 1;
                } else {
                    number -= ways[rest - 1];
                    path += "/.";
                    rest -= 2;
                }
            }
            return path + end;
        }
    }
    throw std::system_error(ENAMETOOLONG, std::generic_category(),
                            "no path left of " + std::to_string(length) + " characters for " +
                                label_ + ", which other libraries need that it needs itself");
}

void image_file::discard(std::size_t offset, std::size_t size) noexcept {
    // Where the file system can't, the memory stays: no harm.
    static_cast<void>(fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(offset), static_cast<off_t>(size)));
}

}  // namespace allcores::interpreter
