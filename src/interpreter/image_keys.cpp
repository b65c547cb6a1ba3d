// A table of keys for the process, and one of values for each thread.
#include "interpreter/image_keys.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "interpreter/image_owner.h"

namespace allcores::interpreter {
namespace {

constexpr pthread_key_t first_number = 1u << 20;  // the C library's own are below 1024
constexpr std::size_t chunk_size = 1024;
constexpr std::size_t chunk_count = 1024;

struct key {
    // Odd while the key exists, and never the same for another key of this number. A thread that
    // finds the number of its value here reads what create() wrote before.
    std::atomic<std::uint32_t> generation = 0;
    // Written by create(), with the mutex; who finds the generation unchanged after reading them
    // has read what belongs to it.
    std::atomic<image_keys::destructor> destructor = nullptr;
    std::atomic<std::size_t> owner = 0;
    std::atomic<std::int64_t> interpreter = -1;  // which has the owner's number
};
using chunk = std::array<key, chunk_size>;

std::atomic<chunk*> chunks[chunk_count];  // made with the mutex, never unmade

// Guards who makes and deletes keys. Never destroyed, as threads end late.
struct bookkeeping {
    std::mutex mutex;
    std::vector<pthread_key_t> free;                            // indexes
    std::map<std::size_t, std::vector<pthread_key_t>> made_by;  // indexes, by owner
    std::size_t used = 0;
};
bookkeeping& books() {
    static auto* made = new bookkeeping;
    return *made;
}

// Null when there never was such a key.
key* find_key(std::size_t index) noexcept {
    if (index >= chunk_count * chunk_size) return nullptr;
    chunk* place = chunks[index / chunk_size].load(std::memory_order_acquire);
    return place == nullptr ? nullptr : &(*place)[index % chunk_size];
}

struct value {
    std::uint32_t generation;  // of its key; 0: nothing is here
    std::uint32_t index;
    void* content;
};

// A thread's values, in a hash table with a power of two of places. It has no destructor of C++'s:
// those of the C library's one key, whose value it is, come after all thread_local objects'.
struct values {
    std::size_t capacity;
    std::size_t used;
    value* places;

    value* find(std::uint32_t index) const noexcept {
        for (std::size_t i = index;; i++) {
            value& place = places[i & (capacity - 1)];
            if (place.generation == 0 || place.index == index) return &place;
        }
    }
};
thread_local values* own = nullptr;

bool grow(values& table) noexcept {
    const std::size_t capacity = table.capacity == 0 ? 16 : table.capacity * 2;
    auto* places = static_cast<value*>(std::calloc(capacity, sizeof(value)));
    if (places == nullptr) return false;
    const values before = std::exchange(table, {capacity, 0, places});
    for (std::size_t i = 0; i < before.capacity; i++) {
        const value& each = before.places[i];
        const key* its = each.generation == 0 ? nullptr : find_key(each.index);
        if (its == nullptr || its->generation.load() != each.generation) continue;
        *table.find(each.index) = each;
        table.used++;
    }
    std::free(before.places);
    return true;
}

// One that was, for the end of its thread.
void destroy(value& each) noexcept {
    void* content = std::exchange(each.content, nullptr);
    const key* its = find_key(each.index);
    const image_keys::destructor function = its->destructor.load();
    const std::size_t owner = its->owner.load();
    const std::int64_t interpreter = its->interpreter.load();
    if (content == nullptr || function == nullptr) return;
    if (its->generation.load() != each.generation) return;
    const image_owner::staying inside(owner, interpreter);
    if (inside) function(content);
}

// Destructors may set values again: as with the C library, a few times.
void destroy_values(void* argument) noexcept {
    auto* table = static_cast<values*>(argument);
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
        bool found = false;
        for (std::size_t i = 0; i < table->capacity; i++) {
            if (table->places[i].content == nullptr) continue;
            found = true;
            destroy(table->places[i]);
        }
        if (!found) break;
    }
    own = nullptr;
    std::free(table->places);
    std::free(table);
}

// This thread's; null when there is no memory.
values* make_own() noexcept {
    static const auto end_of_thread = [] {
        pthread_key_t made;
        return std::pair(pthread_key_create(&made, destroy_values) == 0, made);
    }();
    if (own != nullptr) return own;
    auto* table = static_cast<values*>(std::calloc(1, sizeof(values)));
    if (table == nullptr) return nullptr;
    if (grow(*table) && end_of_thread.first &&
        pthread_setspecific(end_of_thread.second, table) == 0) {
        own = table;
        return table;
    }
    std::free(table->places);
    std::free(table);
    return nullptr;
}

}  // namespace

int image_keys::create(std::size_t owner, pthread_key_t* made, destructor function) noexcept {
    bookkeeping& all = books();
    const std::lock_guard lock(all.mutex);
    try {
        auto& own_keys = all.made_by[owner];
        own_keys.reserve(own_keys.size() + 1);
        pthread_key_t index;
        if (all.free.empty()) {
            if (all.used == chunk_count * chunk_size) return EAGAIN;
            auto& place = chunks[all.used / chunk_size];
            if (place.load() == nullptr) place.store(new chunk, std::memory_order_release);
            // For remove(), which can't fail.
            if (all.free.capacity() <= all.used) all.free.reserve(2 * all.used + 16);
            index = static_cast<pthread_key_t>(all.used++);
        } else {
            index = all.free.back();
            all.free.pop_back();
        }
        key& its = *find_key(index);
        its.destructor.store(function);
        its.owner.store(owner);
        const bool is_owned = owner < image_owner::capacity;
        if (is_owned) own_keys.push_back(index);
        its.interpreter.store(is_owned ? image_owner::interpreter_of(owner) : -1);
        its.generation.fetch_add(1);
        *made = first_number + index;
        return 0;
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
}

int image_keys::remove(pthread_key_t number) noexcept {
    if (number < first_number) return pthread_key_delete(number);
    bookkeeping& all = books();
    const std::lock_guard lock(all.mutex);
    key* its = find_key(number - first_number);
    if (its == nullptr || its->generation.load() % 2 == 0) return EINVAL;
    its->generation.fetch_add(1);
    all.free.push_back(number - first_number);
    std::erase(all.made_by[its->owner.load()], number - first_number);
    return 0;
}

void image_keys::remove_all(std::size_t owner) noexcept {
    bookkeeping& all = books();
    const std::lock_guard lock(all.mutex);
    for (const pthread_key_t index : std::exchange(all.made_by[owner], {})) {
        find_key(index)->generation.fetch_add(1);
        all.free.push_back(index);
    }
}

void* image_keys::get(pthread_key_t number) noexcept {
    if (number < first_number) return pthread_getspecific(number);
    if (own == nullptr) return nullptr;
    const value& place = *own->find(number - first_number);
    if (place.generation == 0) return nullptr;
    const bool current = find_key(place.index)->generation.load() == place.generation;
    return current ? place.content : nullptr;
}

int image_keys::set(pthread_key_t number, const void* content) noexcept {
    if (number < first_number) return pthread_setspecific(number, content);
    const pthread_key_t index = number - first_number;
    const key* its = find_key(index);
    const std::uint32_t generation = its == nullptr ? 0 : its->generation.load();
    if (generation % 2 == 0) return EINVAL;
    values* table = make_own();
    if (table == nullptr) return ENOMEM;
    // A quarter stays free, so that looking for what is not there comes to an end.
    if (table->used * 4 >= table->capacity * 3 && !grow(*table)) return ENOMEM;
    value* place = table->find(index);
    if (place->generation == 0) table->used++;
    *place = {generation, index, const_cast<void*>(content)};
    return 0;
}

}  // namespace allcores::interpreter
