#include "concurrency/asleep.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace allcores::concurrency {
namespace {

using text = std::array<char, 4096>;

// The whole of a small file under /proc/self/task/THREAD, or an empty string.
void read_of(pid_t thread, const char* name, text& content) noexcept {
    content[0] = 0;
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/%s", thread, name);
    const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    const ssize_t size = ::read(file, content.data(), content.size() - 1);
    ::close(file);
    content[size > 0 ? static_cast<std::size_t>(size) : 0] = 0;
}

// "NUMBER ARGUMENT ...", or "running", or "-1 ..." for one that is stopped elsewhere.
bool waits_for_another(const text& call) noexcept {
    unsigned long number = 0;
    std::array<unsigned long, 4> arguments;
    if (std::sscanf(call.data(), "%lu %lx %lx %lx %lx", &number, &arguments[0], &arguments[1],
                    &arguments[2], &arguments[3]) != 5)
        return false;
    const unsigned long operation = arguments[1] & static_cast<unsigned>(FUTEX_CMD_MASK);
    return number == SYS_futex && (arguments[1] & FUTEX_PRIVATE_FLAG) != 0 &&
           (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET) && arguments[3] == 0;
}

// The sum of both kinds of switches, in the lines "..._ctxt_switches:	NUMBER" of a status.
std::uint64_t switches_in(const text& status) noexcept {
    std::uint64_t sum = 0;
    const char* at = status.data();
    while ((at = std::strstr(at, "_switches:")) != nullptr) {
        at = std::strchr(at, ':') + 1;
        sum += std::strtoull(at, nullptr, 10);
    }
    return sum;
}

struct close_folder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

std::optional<std::vector<sleeper>> all_asleep(std::span<const pid_t> known) {
    const std::unique_ptr<DIR, close_folder> folder(::opendir("/proc/self/task"));
    if (folder == nullptr) return std::nullopt;
    std::vector<sleeper> found;
    text content;
    while (const dirent* entry = ::readdir(folder.get())) {
        const auto thread = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
        if (thread <= 0 || std::ranges::contains(known, thread)) continue;
        // The switches first: a sleep that ends between the two is seen at the next look.
        read_of(thread, "status", content);
        const std::uint64_t switches = switches_in(content);
        read_of(thread, "syscall", content);
        if (switches == 0 || !waits_for_another(content)) return std::nullopt;
        found.push_back({thread, switches});
    }
    std::ranges::sort(found, {}, &sleeper::thread);
    return found;
}

}  // namespace allcores::concurrency
