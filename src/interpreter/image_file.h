// A private copy of a shared object, in memory, that the dynamic linker takes for a file of its
// own.
//
// The linker knows a loaded file by its path, its soname and its inode. A copy is a new inode and
// gets a path that no other ever had; its soname is the caller's to change (`patches`). It has no
// name in any folder, so nothing is left behind however the process ends.
//
// Callable from any thread.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "interpreter/elf_file.h"

namespace allcores::interpreter {

// A file mapped for reading.
class mapped_file {
 public:
    // Throws std::system_error.
    explicit mapped_file(const std::string& path);
    ~mapped_file();
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    int descriptor() const { return descriptor_; }

 private:
    int descriptor_ = -1;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

// Whether it is one of those that images are loaded with.
bool is_path_of_image(std::string_view path);

class image_file {
 public:
    // Copies the segments of `original`, whose name is `label` to those who look into
    // /proc/PID/maps, but for what is not needed yet. Throws std::system_error.
    image_file(const mapped_file& original, const elf_file& parts, const std::string& label);
    ~image_file();
    image_file(const image_file&) = delete;
    image_file& operator=(const image_file&) = delete;

    // What to call dlopen() with, while this lives.
    const std::string& path() const { return path_; }
    // Writes over it. Throws std::system_error.
    void apply(std::span<const elf_file::patch> patches);
    // Another path, for what names it in so many characters; never the same twice. Throws
    // std::system_error when there is none of that length.
    std::string path_of_length(std::size_t length) const;
    // Copies a segment that the constructor left out. Throws std::system_error.
    void fill(const mapped_file& original, const elf_file& parts, const elf_file::segment& part);
    // Gives back the memory of a part of the copy that nobody has mapped any more.
    void discard(std::size_t offset, std::size_t size) noexcept;

 private:
    int descriptor_ = -1;
    std::string label_;
    std::string path_;
};

}  // namespace allcores::interpreter
