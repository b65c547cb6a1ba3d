#include "interpreter/image_stacks.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace allcores::interpreter {
namespace {

// What is looked through of a stack, from its top: more than that few have.
constexpr std::size_t most_of_a_stack = 256 << 10;

// Where the stack of a sleeping thread has its top; 0: it does not sleep.
std::uintptr_t top_of_stack(const std::string& thread) {
    const std::string path = "/proc/self/task/" + thread + "/syscall";
    FILE* file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return 0;
    char line[512] = {};
    const bool read = std::fgets(line, sizeof line, file) != nullptr;
    std::fclose(file);
    // A number, its arguments, the stack, the code; or "running".
    if (!read || std::strncmp(line, "running", 7) == 0) return 0;
    char* end = std::strrchr(line, ' ');
    if (end == nullptr) return 0;
    *end = 0;
    const char* stack = std::strrchr(line, ' ');
    return stack == nullptr ? 0 : std::strtoull(stack, nullptr, 16);
}

// Memory that may go at any moment.
std::vector<std::uintptr_t> read_stack(std::uintptr_t top) {
    std::vector<std::uintptr_t> words;
    constexpr std::size_t step = 4096;
    while (words.size() * sizeof(std::uintptr_t) < most_of_a_stack) {
        const std::size_t size = step - top % step;
        std::uintptr_t page[step / sizeof(std::uintptr_t)];
        const iovec here = {page, size};
        const iovec there = {reinterpret_cast<void*>(top), size};
        const ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
        if (got <= 0) break;
        const auto count = static_cast<std::size_t>(got) / sizeof(std::uintptr_t);
        words.insert(words.end(), std::begin(page), std::begin(page) + count);
        top += size;
    }
    return words;
}

// Whether a function that was called from there would return to that address.
constexpr std::size_t longest_call = 8;
#if defined(__x86_64__)
bool follows_a_call(std::uintptr_t address) {
    const auto* code = reinterpret_cast<const unsigned char*>(address);
    if (code[-5] == 0xE8) return true;  // to an address
    // Through a register or memory: FF, and what has 2 in its middle; with displacements.
    for (const int size : {2, 3, 4, 6, 7})
        if (code[-size] == 0xFF && (code[1 - size] >> 3 & 7) == 2) return true;
    return false;
}
#elif defined(__aarch64__)
bool follows_a_call(std::uintptr_t address) {
    if (address % 4 != 0) return false;
    const auto code = reinterpret_cast<const std::uint32_t*>(address)[-1];
    return (code & 0xFC000000) == 0x94000000 || (code & 0xFFFFFC1F) == 0xD63F0000;  // bl, blr
}
#else
bool follows_a_call(std::uintptr_t) {
    return true;
}
#endif

}  // namespace

void clear_stack() noexcept {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void* lowest = nullptr;
    std::size_t size = 0;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    // What is left of a page below here is less than what the functions above go on to use.
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) & ~(page - 1);
    const auto start = reinterpret_cast<std::uintptr_t>(lowest);
    if (here > start + page) madvise(lowest, here - page - start, MADV_DONTNEED);
}

bool is_on_a_stack(std::span<const std::pair<std::uintptr_t, std::uintptr_t>> code,
                   std::span<const pid_t> known) noexcept {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/task"), closedir);
    if (folder == nullptr) return true;
    const auto own = static_cast<pid_t>(syscall(SYS_gettid));
    while (const dirent* entry = readdir(folder.get())) {
        const pid_t number = std::atoi(entry->d_name);
        if (number == 0 || number == own || std::ranges::find(known, number) != known.end())
            continue;
        const std::uintptr_t top = top_of_stack(entry->d_name);
        if (top == 0) continue;
        for (const std::uintptr_t word : read_stack(top & ~std::uintptr_t{7})) {
            for (const auto& [start, end] : code)
                if (word >= start + longest_call && word < end && follows_a_call(word)) return true;
        }
    }
    return false;
}

}  // namespace allcores::interpreter
