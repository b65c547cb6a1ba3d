#include "interpreter/interpreter_heap.h"

#include <Python.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "memory/block_heap.h"

namespace allcores::interpreter {
namespace {

using allcores::memory::block_heap;

// pymalloc's limit: what is larger comes from malloc, and what has no size.
constexpr std::size_t largest_small = 512;
constexpr bool is_small(std::size_t size) {
    return size - 1 < largest_small;
}

struct heap;

// In front of a large block. The mark tells it from what malloc returned: it is the block's own
// address changed by a secret, and stands where malloc keeps a chunk's size, which is never so
// large. So a block without a header is never taken for one with.
struct header {
    header* previous;
    header* next;
    heap* owner;
    std::uint64_t mark;  // secret ^ address of the block; bit 0: 16 bytes lie before the header
};
static_assert(sizeof(header) % 16 == 0, "a block must stay aligned");

struct heap {
    std::mutex mutex;  // guards `blocks` and the links of the list; held for some instructions
    header* blocks = nullptr;
    // For blocks that it has room for; null: nothing is known of an interpreter's end, as without
    // images. With the GIL.
    block_heap* unnoted = nullptr;
    std::map<void*, std::size_t> arenas;  // guarded by all_heaps.mutex
    std::set<std::uintptr_t> mapped;      // with the GIL: what pymalloc's tree has a leaf for
};

// pymalloc finds arenas again by a tree of which an interpreter with one arena has 384 KiB: a node
// below the root, and a leaf for each 16 GiB of addresses. It makes them right after it got an
// arena, and keeps them as long as the heap.
constexpr std::size_t arena_size = 1 << 20;
constexpr std::size_t node_size = sizeof(void*) << 15, leaf_size = sizeof(std::int64_t) << 14;
constexpr int leaf_bits = 34;

// All of it guarded by its mutex. Never destroyed: threads may allocate while the process ends.
struct registry {
    std::mutex mutex;
    std::unordered_map<std::int64_t, std::unique_ptr<heap>> by_interpreter;
    std::unordered_map<void*, heap*> by_arena;
    std::vector<block_heap*> unused;  // they live for good
    std::unordered_map<std::int64_t, std::size_t> pinned;
};
registry& all_heaps() {
    static auto* all = new registry;
    return *all;
}

// What was there before; written once, before the hooks are, and never again.
PyMemAllocatorEx raw, object, memory;
PyObjectArenaAllocator arena;
std::uint64_t secret;
std::atomic<int> state = 0;  // 0: not tried; 1: watching; -1: can't. Changed with `installing`.
std::mutex installing;

// The interpreter whose large block is being allocated on this thread.
thread_local heap* allocating = nullptr;
// What of the tree is about to be allocated on this thread, for whom.
thread_local struct {
    heap* owner = nullptr;
    int nodes = 0, leaves = 0;
} growing;
// The heap of the interpreter that this thread was in last; ids are never used twice.
thread_local std::int64_t last_id = -1;
thread_local heap* last_heap = nullptr;

// The current interpreter's; null for the main one, and where there is none.
heap* current_heap() {
    PyThreadState* thread = PyThreadState_GetUnchecked();
    if (thread == nullptr) return nullptr;
    const std::int64_t id = PyInterpreterState_GetID(thread->interp);
    if (id <= 0) return nullptr;
    if (id != last_id) {
        registry& all = all_heaps();
        const std::lock_guard lock(all.mutex);
        auto& own = all.by_interpreter[id];
        if (own == nullptr) own = std::make_unique<heap>();
        last_heap = own.get();
        last_id = id;
    }
    return last_heap;
}

constexpr std::size_t overhead = sizeof(header) + 16;

bool starts_a_page(std::uintptr_t address) {
    return (address & 4095) == 0;
}

header* header_of(void* block) {
    return static_cast<header*>(block) - 1;
}

// Whether a block has a header. A block at the start of a page has none, and nothing in front of it
// is looked at then: it may not be mapped.
bool is_noted(void* block) {
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    if (block == nullptr || starts_a_page(address) || address % 16 != 0) return false;
    return (header_of(block)->mark & ~std::uint64_t{15}) == (secret ^ address);
}

void* start_of(header* at) {
    return reinterpret_cast<char*>(at) - ((at->mark & 1) != 0 ? 16 : 0);
}

// Where the block is in memory that malloc returned.
char* block_in(void* start) {
    char* block = static_cast<char*>(start) + sizeof(header);
    return starts_a_page(reinterpret_cast<std::uintptr_t>(block)) ? block + 16 : block;
}

void enter_list(heap* owner, header* at, void* block, bool moved) {
    at->mark = (secret ^ reinterpret_cast<std::uintptr_t>(block)) | (moved ? 1 : 0);
    at->owner = owner;
    at->previous = nullptr;
    const std::lock_guard lock(owner->mutex);
    at->next = owner->blocks;
    if (at->next != nullptr) at->next->previous = at;
    owner->blocks = at;
}

void* note(heap* owner, void* start) {
    char* block = block_in(start);
    header* at = header_of(block);
    enter_list(owner, at, block, static_cast<void*>(at) != start);
    return block;
}

void leave_list(header* at) {
    const std::lock_guard lock(at->owner->mutex);
    if (at->previous != nullptr) {
        at->previous->next = at->next;
    } else {
        at->owner->blocks = at->next;
    }
    if (at->next != nullptr) at->next->previous = at->previous;
}

// Returns what malloc returned.
void* forget(header* at) {
    leave_list(at);
    void* start = start_of(at);
    at->mark = 0;
    return start;
}

void* raw_malloc(void*, std::size_t size) {
    heap* owner = std::exchange(allocating, nullptr);
    if (owner == nullptr || size > SIZE_MAX - overhead) return raw.malloc(raw.ctx, size);
    if (owner->unnoted != nullptr)
        if (void* block = owner->unnoted->allocate(size)) return block;
    void* start = raw.malloc(raw.ctx, size + overhead);
    return start == nullptr ? nullptr : note(owner, start);
}

// Whose tree of arenas a block of that size is for; null: nobody's.
heap* growing_tree(std::size_t count, std::size_t size) {
    heap* owner = growing.owner;
    int* expected = nullptr;
    if (count == 1 && size == node_size) expected = &growing.nodes;
    if (count == 1 && size == leaf_size) expected = &growing.leaves;
    if (expected != nullptr && (*expected)-- > 0) {
        if (growing.nodes + growing.leaves == 0) growing = {};
        return owner;
    }
    growing = {};
    return nullptr;
}

void* raw_calloc(void*, std::size_t count, std::size_t size) {
    heap* owner = std::exchange(allocating, nullptr);
    if (growing.owner != nullptr) owner = growing_tree(count, size);
    std::size_t bytes;
    if (owner == nullptr || __builtin_mul_overflow(count, size, &bytes) ||
        bytes > SIZE_MAX - overhead) {
        return raw.calloc(raw.ctx, count, size);
    }
    if (owner->unnoted != nullptr)
        if (void* block = owner->unnoted->allocate(bytes)) return std::memset(block, 0, bytes);
    void* start = raw.calloc(raw.ctx, 1, bytes + overhead);
    return start == nullptr ? nullptr : note(owner, start);
}

void* raw_realloc(void*, void* block, std::size_t size) {
    heap* owner = std::exchange(allocating, nullptr);
    if (block_heap::contains(block)) {
        const std::size_t before = block_heap::size_of(block);
        if (size <= before && size > before / 2) return block;
        void* made = block_heap::heap_of(block).allocate(size);
        if (made == nullptr) {
            allocating = owner;
            made = raw_malloc(nullptr, size);
        }
        if (made == nullptr) return nullptr;
        std::memcpy(made, block, std::min(size, before));
        block_heap::release(block);
        return made;
    }
    if (!is_noted(block)) {
        // A block that was allocated before anybody watched stays as it is.
        if (block == nullptr && owner != nullptr) {
            allocating = owner;
            return raw_malloc(nullptr, size);
        }
        return raw.realloc(raw.ctx, block, size);
    }
    if (size > SIZE_MAX - overhead) return nullptr;
    header* at = header_of(block);
    owner = at->owner;
    void* before = forget(at);
    const std::ptrdiff_t offset = static_cast<char*>(block) - static_cast<char*>(before);
    void* start = raw.realloc(raw.ctx, before, size + overhead);
    if (start == nullptr) {
        note(owner, before);
        return nullptr;
    }
    char* now = block_in(start);
    char* content = static_cast<char*>(start) + offset;
    if (now != content) std::memmove(now, content, size);
    return note(owner, start);
}

void raw_free(void*, void* block) {
    if (block_heap::contains(block)) {
        block_heap::release(block);
    } else {
        raw.free(raw.ctx, is_noted(block) ? forget(header_of(block)) : block);
    }
}

// Objects and PyMem_Malloc: what is large is noted by the functions above, which they lead to.
template <const PyMemAllocatorEx& Before>
void* owned_malloc(void*, std::size_t size) {
    if (is_small(size)) [[likely]] {
        return Before.malloc(Before.ctx, size);
    }
    allocating = current_heap();
    void* block = Before.malloc(Before.ctx, size);
    allocating = nullptr;
    return block;
}

template <const PyMemAllocatorEx& Before>
void* owned_calloc(void*, std::size_t count, std::size_t size) {
    // (An overflow is refused without allocating.)
    if (!is_small(count * size)) allocating = current_heap();
    void* block = Before.calloc(Before.ctx, count, size);
    allocating = nullptr;
    return block;
}

template <const PyMemAllocatorEx& Before>
void* owned_realloc(void*, void* block, std::size_t size) {
    if (!is_small(size)) allocating = current_heap();
    void* now = Before.realloc(Before.ctx, block, size);
    allocating = nullptr;
    return now;
}

template <const PyMemAllocatorEx& Before>
void owned_free(void*, void* block) {
    Before.free(Before.ctx, block);
}

void* arena_alloc(void*, std::size_t size) {
    void* made = arena.alloc(arena.ctx, size);
    if (made == nullptr) return nullptr;
    if (heap* owner = current_heap()) {
        registry& all = all_heaps();
        const std::lock_guard lock(all.mutex);
        owner->arenas[made] = size;
        all.by_arena[made] = owner;
        // The leaves for its first and last byte.
        growing = {};
        if (size != arena_size) return made;
        const auto start = reinterpret_cast<std::uintptr_t>(made);
        const int nodes = owner->mapped.empty() ? 1 : 0;
        int leaves = 0;
        for (const auto place : {start, start + size})
            leaves += owner->mapped.insert(place >> leaf_bits).second ? 1 : 0;
        if (leaves > 0) growing = {owner, nodes, leaves};
    }
    return made;
}

void arena_free(void*, void* gone, std::size_t size) {
    {
        registry& all = all_heaps();
        const std::lock_guard lock(all.mutex);
        if (const auto found = all.by_arena.find(gone); found != all.by_arena.end()) {
            found->second->arenas.erase(gone);
            all.by_arena.erase(found);
        }
    }
    arena.free(arena.ctx, gone, size);
}

// Whether a large object comes from PyMem_RawMalloc, as it does from CPython's own allocator.
bool leads_here() {
    heap probe;
    allocating = &probe;
    void* block = object.malloc(object.ctx, largest_small + 1);
    const bool leads = block != nullptr && allocating == nullptr && probe.blocks != nullptr;
    allocating = nullptr;
    object.free(object.ctx, block);
    return leads && probe.blocks == nullptr;
}

// Other threads allocate meanwhile, so each step must be right without the next: blocks are noted
// only when all know them, and the contexts stay what they were.
bool install() {
    // tracemalloc puts back what it found when it began.
    if (memory_is_traced()) return false;
    // The upper bits are never those of a size.
    if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
        secret = reinterpret_cast<std::uintptr_t>(&secret) * 0x9E3779B97F4A7C15u;
    secret = (secret & ~std::uint64_t{15}) | std::uint64_t{1} << 63;
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &object);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &memory);
    PyObject_GetArenaAllocator(&arena);
    PyMemAllocatorEx own_raw = {raw.ctx, raw_malloc, raw_calloc, raw_realloc, raw_free};
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &own_raw);
    if (!leads_here()) return false;
    PyObjectArenaAllocator own_arena = {arena.ctx, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&own_arena);
    PyMemAllocatorEx own = {object.ctx, owned_malloc<object>, owned_calloc<object>,
                            owned_realloc<object>, owned_free<object>};
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &own);
    own = {memory.ctx, owned_malloc<memory>, owned_calloc<memory>, owned_realloc<memory>,
           owned_free<memory>};
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &own);
    return true;
}

// Those on their way, and those that came to the main interpreter. Never destroyed.
heap& nobodys() {
    static auto* of_nobody = new heap;
    return *of_nobody;
}

void move_block(void* block, heap* to) noexcept {
    if (state.load() != 1 || !is_noted(block)) return;
    header* at = header_of(block);
    const bool moved = (at->mark & 1) != 0;
    leave_list(at);
    enter_list(to != nullptr ? to : &nobodys(), at, block, moved);
}

}  // namespace

bool memory_is_traced() noexcept {
    constexpr unsigned domain = 0xA11C;  // nobody's
    if (PyTraceMalloc_Track(domain, 1, 1) == -2) return false;
    PyTraceMalloc_Untrack(domain, 1);
    return true;
}

bool watch_heaps() noexcept {
    if (state.load() == 0) {
        // Not waited for with the GIL: who has it may need that.
        const std::unique_lock lock(installing, std::try_to_lock);
        if (lock.owns_lock() && state.load() == 0) state = install() ? 1 : -1;
    }
    if (state.load() != 1) return false;
    if (heap* own = current_heap(); own != nullptr && own->unnoted == nullptr) {
        registry& all = all_heaps();
        const std::lock_guard lock(all.mutex);
        if (all.unused.empty()) {
            own->unnoted = new block_heap;
        } else {
            own->unnoted = all.unused.back();
            all.unused.pop_back();
        }
    }
    return true;
}

PyThread_type_lock allocate_lock() noexcept {
    if (state.load() == 1) allocating = current_heap();
    PyThread_type_lock made = PyThread_allocate_lock();
    allocating = nullptr;
    return made;
}

bool heaps_are_watched() noexcept {
    return state.load() == 1;
}

void disown_block(void* block) noexcept {
    move_block(block, nullptr);
}

void adopt_block(void* block) noexcept {
    move_block(block, current_heap());
}

void pin_heap(std::int64_t interpreter_id) {
    registry& all = all_heaps();
    const std::lock_guard lock(all.mutex);
    all.pinned[interpreter_id]++;
}

void unpin_heap(std::int64_t interpreter_id) noexcept {
    registry& all = all_heaps();
    const std::lock_guard lock(all.mutex);
    const auto found = all.pinned.find(interpreter_id);
    if (found != all.pinned.end() && --found->second == 0) all.pinned.erase(found);
}

std::size_t release_heap(std::int64_t interpreter_id) noexcept {
    std::unique_ptr<heap> gone;
    registry& all = all_heaps();
    {
        const std::lock_guard lock(all.mutex);
        const auto found = all.by_interpreter.find(interpreter_id);
        if (all.pinned.contains(interpreter_id)) return 0;
        if (found == all.by_interpreter.end()) return 0;
        gone = std::move(found->second);
        all.by_interpreter.erase(found);
        for (const auto& [start, size] : gone->arenas) all.by_arena.erase(start);
    }
    std::size_t released = 0;
    if (gone->unnoted != nullptr) {
        released += gone->unnoted->taken();
        gone->unnoted->drop();
        const std::lock_guard lock(all.mutex);
        all.unused.push_back(gone->unnoted);
    }
    while (gone->blocks != nullptr) {
        void* start = forget(gone->blocks);
        raw.free(raw.ctx, start);
    }
    for (const auto& [start, size] : gone->arenas) {
        arena.free(arena.ctx, start, size);
        released += size;
    }
    return released;
}

}  // namespace allcores::interpreter
