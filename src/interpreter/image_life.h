// What the images of one interpreter have going on outside of it, and so when they can be unloaded.
//
// After its interpreter has ended, code of an image may still run: on threads that it has started,
// or as a handler of signals. (What it wanted to be called at the end of a thread or in a fork is
// not: interpreter/image_thread_end.h.) So what images start is noted: they call other functions
// instead (their global offset tables are bound so, as for image_owner). When none of it is left,
// nothing can look at the image, nor at the objects of its interpreter's heap: both may go.
//
// Callable from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "interpreter/elf_file.h"

struct link_map;

namespace allcores::interpreter {

struct image_thread;

class image_life : public std::enable_shared_from_this<image_life> {
 public:
    image_life() = default;
    image_life(const image_life&) = delete;
    image_life& operator=(const image_life&) = delete;

    // An image, which has been linked, and none of whose code has run yet.
    void add(void* handle, const link_map& object, const elf_file& parts);
    // What images call instead of the function of that name; null: the same.
    static void* replacement(std::string_view name) noexcept;
    // An image imports a function of that name: some do what can't be noted.
    void imports(std::string_view name) noexcept;
    // Somebody outside may know of its code for ever: it is never unloaded.
    void pin() noexcept;
    // The number of the interpreter as an image_owner, which is free again when they are unloaded.
    void owned_by(std::size_t number) noexcept;

    // A block of malloc's that is not needed any more when they are unloaded.
    void free_later(void* block);

    bool is_empty() const noexcept;

    enum class rest {
        unloaded,  // nothing of them is left
        not_yet,   // something of them may still run: ask again
        never,
    };
    // After the interpreter has ended, and its thread: unloads all images, if nothing of them can
    // run any more. Threads that wait for work are ended. Detached.
    [[nodiscard]] rest unload() noexcept;

 private:
    friend struct image_calls;
    bool is_at_rest() noexcept;

    mutable std::mutex mutex_;    // guards what follows
    std::vector<void*> handles_;  // in the order in which they were linked
    std::vector<void*> freed_later_;
    bool pinned_ = false;
    int tries_ = 0;  // of unloading them
    std::optional<std::size_t> owner_;
    std::vector<std::shared_ptr<image_thread>> threads_;  // that images started, until they end
    std::map<std::uintptr_t, std::size_t> mappings_;      // mmap: size by start
};

}  // namespace allcores::interpreter
