// A growing run of bytes for what is sent together: appended to without filling memory first, as
// std::string would. One thread at a time.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace allcores::http {

class byte_buffer {
 public:
    byte_buffer() = default;
    byte_buffer(byte_buffer&& other) noexcept
        : bytes_(std::exchange(other.bytes_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    byte_buffer& operator=(byte_buffer&& other) noexcept {
        if (this == &other) return *this;
        std::free(bytes_);
        bytes_ = std::exchange(other.bytes_, nullptr);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }
    ~byte_buffer() { std::free(bytes_); }

    char* data() { return bytes_; }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }
    bool empty() const { return size_ == 0; }
    std::string_view view() const { return {bytes_, size_}; }
    void clear() { size_ = 0; }
    void resize_down(std::size_t size) { size_ = size; }

    // Room for `more` bytes after the end; the caller writes there, then says how many with
    // commit(). Pointers into the buffer from before are invalid when it had to grow.
    char* room(std::size_t more) {
        if (capacity_ - size_ < more) grow(size_ + more);
        return bytes_ + size_;
    }
    void commit(std::size_t more) { size_ += more; }

    // Gives the memory of an empty buffer back to the system, page by page; each page comes back
    // when it is written to. malloc hands out memory that was written to before.
    void forget() {
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        const auto begin = (reinterpret_cast<std::uintptr_t>(bytes_) + page - 1) & ~(page - 1);
        const auto end = (reinterpret_cast<std::uintptr_t>(bytes_) + capacity_) & ~(page - 1);
        if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }

    void append(std::string_view text) {
        if (text.empty()) return;
        std::memcpy(room(text.size()), text.data(), text.size());
        size_ += text.size();
    }

 private:
    void grow(std::size_t least) {
        std::size_t wanted = capacity_ * 2 < least ? least : capacity_ * 2;
        wanted = (wanted + 4095) & ~std::size_t{4095};
        void* moved = std::realloc(bytes_, wanted);
        if (!moved) throw std::bad_alloc();
        bytes_ = static_cast<char*>(moved);
        capacity_ = wanted;
    }

    char* bytes_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace allcores::http
