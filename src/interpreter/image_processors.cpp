// The functions that say how many processors there are, for images.
#include "interpreter/image_processors.h"

#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "interpreter/image_pools.h"

namespace allcores::interpreter {
namespace {

long at_most_share(long all) noexcept {
    const int mine = processors_to_use();
    return mine == 0 ? all : std::min<long>(all, mine);
}

// What a thread was told of itself. Nothing here has a destructor: threads may ask to the last.
struct told {
    cpu_set_t whole;
    cpu_set_t part;
    std::size_t first;  // where its part begins, counted in the whole's processors
    bool is_cut;
    bool has_place;
    bool has_chosen;  // set its own mask, and is told that one
};
thread_local told own;

// Threads begin at different processors, so that those who bind themselves to what they were told
// are not all on the same ones.
std::atomic<std::size_t> next_place = 0;  // counts; pairs with nothing

void cut(std::size_t size, cpu_set_t* mask) noexcept {
    const auto all = static_cast<std::size_t>(CPU_COUNT_S(size, mask));
    const auto share = static_cast<std::size_t>(at_most_share(static_cast<long>(all)));
    if (own.has_chosen || share >= all || share == 0) return;
    if (!own.has_place) {
        own.first = next_place.fetch_add(share, std::memory_order_relaxed);
        own.has_place = true;
    }
    CPU_ZERO(&own.whole);
    CPU_ZERO(&own.part);
    const std::size_t bits = std::min<std::size_t>(size * 8, CPU_SETSIZE);
    std::size_t place = 0;
    for (std::size_t i = 0; i < bits; i++) {
        if (!CPU_ISSET_S(i, size, mask)) continue;
        CPU_SET(i, &own.whole);
        if ((place + all - own.first % all) % all < share) CPU_SET(i, &own.part);
        place++;
    }
    // A larger machine than a cpu_set_t has room for is told as it is.
    if (place < all) return;
    own.is_cut = true;
    std::memset(mask, 0, size);
    std::memcpy(mask, &own.part, std::min(size, sizeof own.part));
}

int get_affinity(pid_t thread, std::size_t size, cpu_set_t* mask) noexcept {
    const int result = sched_getaffinity(thread, size, mask);
    if (result == 0 && thread == 0) cut(size, mask);
    return result;
}

int get_thread_affinity(pthread_t thread, std::size_t size, cpu_set_t* mask) noexcept {
    const int error = pthread_getaffinity_np(thread, size, mask);
    if (error == 0 && pthread_equal(thread, pthread_self())) cut(size, mask);
    return error;
}

// Whether a mask is the one that this thread was told.
bool is_part(std::size_t size, const cpu_set_t* mask) noexcept {
    if (!own.is_cut) return false;
    cpu_set_t given;
    CPU_ZERO(&given);
    std::memcpy(&given, mask, std::min(size, sizeof given));
    return CPU_EQUAL(&given, &own.part);
}

template <class Set>
int set_mask(const Set& set, bool of_this_thread, std::size_t size,
             const cpu_set_t* mask) noexcept {
    if (is_part(size, mask)) {
        if (of_this_thread) own.has_chosen = false;
        return set(sizeof own.whole, &own.whole);
    }
    const int result = set(size, mask);
    if (result == 0 && of_this_thread) own.has_chosen = true;
    return result;
}

int set_affinity(pid_t thread, std::size_t size, const cpu_set_t* mask) noexcept {
    const auto set = [&](std::size_t length, const cpu_set_t* chosen) {
        return sched_setaffinity(thread, length, chosen);
    };
    // By a number it is the program's own choice, exactly.
    return thread == 0 ? set_mask(set, true, size, mask) : set(size, mask);
}

int set_thread_affinity(pthread_t thread, std::size_t size, const cpu_set_t* mask) noexcept {
    const bool of_this_thread = pthread_equal(thread, pthread_self()) != 0;
    return set_mask(
        [&](std::size_t length, const cpu_set_t* chosen) {
            return pthread_setaffinity_np(thread, length, chosen);
        },
        of_this_thread, size, mask);
}

long configuration(int name) noexcept {
    const long value = sysconf(name);
    const bool processors = name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF;
    return processors ? at_most_share(value) : value;
}

int online() noexcept {
    return static_cast<int>(at_most_share(get_nprocs()));
}
int configured() noexcept {
    return static_cast<int>(at_most_share(get_nprocs_conf()));
}

// A hint, by the standard: nobody may take it for the largest number of a processor.
unsigned hardware_concurrency() noexcept {
    return static_cast<unsigned>(at_most_share(std::thread::hardware_concurrency()));
}

int openmp_processors() noexcept {
    cpu_set_t allowed;
    const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    return static_cast<int>(at_most_share(known ? CPU_COUNT(&allowed) : get_nprocs()));
}

}  // namespace

void* processors_replacement(std::string_view name, bool knows_numbers) noexcept {
    if (name == "sched_getaffinity") return reinterpret_cast<void*>(get_affinity);
    if (name == "sched_setaffinity") return reinterpret_cast<void*>(set_affinity);
    if (name == "pthread_getaffinity_np") return reinterpret_cast<void*>(get_thread_affinity);
    if (name == "pthread_setaffinity_np") return reinterpret_cast<void*>(set_thread_affinity);
    if (name == "omp_get_num_procs" && std::getenv("OMP_NUM_THREADS") == nullptr)
        return reinterpret_cast<void*>(openmp_processors);
    if (name == "_ZNSt6thread20hardware_concurrencyEv")
        return reinterpret_cast<void*>(hardware_concurrency);
    if (knows_numbers) return nullptr;
    if (name == "sysconf") return reinterpret_cast<void*>(configuration);
    if (name == "get_nprocs") return reinterpret_cast<void*>(online);
    if (name == "get_nprocs_conf") return reinterpret_cast<void*>(configured);
    return nullptr;
}

}  // namespace allcores::interpreter
