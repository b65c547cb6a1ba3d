#include "memory/arena.h"

#include <algorithm>
#include <new>
#include <system_error>

namespace allcores::memory {

namespace {

constexpr std::size_t first_extent = 16 << 10;
constexpr std::size_t last_extent = 8 << 20;

}  // namespace

arena::~arena() {
    if (closed_) return;
    drop_next();
    for (const extent& pages : extents_) space_.give_back(pages);
}

void arena::grow(std::size_t bytes) {
    const std::size_t wanted =
        frozen_space::whole_pages(std::max(bytes, next_bytes_ == 0 ? first_extent : next_bytes_));
    next_bytes_ = std::min(std::max(next_bytes_, first_extent) * 2, last_extent);
    extents_.reserve(extents_.size() + 1);
    const extent pages = take(wanted);
    // Neighbours are one extent: an object may lie across the border.
    if (!extents_.empty() && pages.begin == end_) {
        extents_.back().bytes += pages.bytes;
        end_ += pages.bytes;
    } else {
        extents_.push_back(pages);
        cursor_ = pages.begin;
        end_ = pages.end();
    }
    if (wanted >= last_extent) prepare(pages);
}

// Pages that are backed by memory, or are about to be (see prepare).
extent arena::take(std::size_t bytes) {
    if (next_.valid()) {
        const extent prepared = next_.get();
        if (prepared.bytes >= bytes) return prepared;
        space_.give_back(prepared);
    }
    const extent pages = space_.take(bytes, end_);
    if (bytes <= last_extent && !frozen_space::populate(pages)) {
        space_.give_back(pages);
        throw std::bad_alloc();
    }
    return pages;
}

// To fill pages with zeros takes the kernel half as long as the data takes us. So for large data
// another thread does it ahead: in pages just taken, if they are for an object that is larger than
// any extent, otherwise in the extent that comes next. Where no thread is to be had, nothing is
// done ahead.
void arena::prepare(extent taken) {
    try {
        next_ = std::async(std::launch::async, [this, taken]() noexcept -> extent {
            if (taken.bytes > last_extent) {
                frozen_space::populate(taken);
                return {};
            }
            try {
                const extent pages = space_.take(last_extent, taken.end());
                if (frozen_space::populate(pages)) return pages;
                space_.give_back(pages);
            } catch (const std::bad_alloc&) {
                // The one who needs them will ask for them again.
            }
            return {};
        });
    } catch (const std::system_error&) {
        // No thread.
    }
}

void arena::drop_next() noexcept {
    if (next_.valid()) space_.give_back(next_.get());
}

void arena::close() {
    drop_next();
    if (!extents_.empty()) {
        extent& last = extents_.back();
        const std::size_t used = static_cast<std::size_t>(cursor_ - last.begin);
        const std::size_t kept = frozen_space::whole_pages(used);
        if (kept < last.bytes) {
            space_.give_back({last.begin + kept, last.bytes - kept});
            last.bytes = kept;
            end_ = last.end();
        }
        for (const extent& pages : extents_) space_.close(pages);
    }
    closed_ = true;
}

std::size_t arena::held_bytes() const {
    std::size_t bytes = 0;
    for (const extent& pages : extents_) bytes += pages.bytes;
    return bytes;
}

}  // namespace allcores::memory
