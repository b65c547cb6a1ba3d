// Which images are where, and the functions that they call instead of the system's so that an
// image_life knows what they have: memory, and themselves.
//
// Nothing in these calls says which image makes them, but where they return to does.
//
// Callable from any thread.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "interpreter/elf_file.h"

struct link_map;

namespace allcores::interpreter {

class image_life;
struct image_thread;

struct image_calls {
    static void add(const std::shared_ptr<image_life>& life, void* handle, const link_map& object,
                    const elf_file& parts);
    static void remove(const image_life& life, std::span<void* const> handles) noexcept;
    // Whose image is at an address; null: nobody's.
    static std::shared_ptr<image_life> of(const void* address) noexcept;
    // Where a life's images are: start and end of each.
    static std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges_of(const image_life& life);
    // Where their code is.
    static std::vector<std::pair<std::uintptr_t, std::uintptr_t>> code_of(const image_life& life);
    // The numbers (of the OS) of all threads that images have started and that run.
    static std::vector<pid_t> all_threads();
    static bool is_handle(void* handle) noexcept;
    // What an image should call instead of the function of that name; null: the same.
    static void* replacement(std::string_view name) noexcept;

    // What the replacements do to a life.
    static void begin_thread(const std::shared_ptr<image_thread>& thread, image_life& life);
    static void end_thread(const std::shared_ptr<image_thread>& thread, image_life& life) noexcept;
    static std::vector<std::shared_ptr<image_thread>> threads_of(const image_life& life);
    static void note_mapping(image_life& life, void* start, std::size_t size);
    static void forget_mapping(image_life& life, void* gone, std::size_t size) noexcept;
};

}  // namespace allcores::interpreter
