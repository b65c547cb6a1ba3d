// Telling libraries how many threads to use.
#include "interpreter/image_pools.h"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace allcores::interpreter {
namespace {

using get_function = int (*)();
using set_function = void (*)(int);

// Names under which libraries of BLAS tell and take their number of threads.
constexpr std::array<std::pair<const char*, const char*>, 6> blas_functions = {{
    {"openblas_get_num_threads", "openblas_set_num_threads"},
    {"openblas_get_num_threads64_", "openblas_set_num_threads64_"},
    {"scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"},
    {"scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"},
    {"MKL_Get_Max_Threads", "MKL_Set_Num_Threads"},
    {"bli_thread_get_num_threads", "bli_thread_set_num_threads"},
}};
// If one of these is set, the user has chosen.
constexpr std::array blas_variables = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS",
                                       "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS"};
constexpr std::array openmp_variables = {"OMP_NUM_THREADS"};

bool any_is_set(auto variables) {
    return std::ranges::any_of(variables, [](const char* name) { return std::getenv(name); });
}

template <class Function>
Function find(void* handle, const char* name) {
    return reinterpret_cast<Function>(dlsym(handle, name));
}

int processors() {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

std::mutex mutex;  // guards what follows
int users = 0;

// The number of threads an interpreter may use; 0: nobody has to share. Written with the mutex;
// read by threads that begin to compute. Pairs with nothing: an old value does no harm.
std::atomic<int> share = 0;

// With the mutex.
void share_again(int change) {
    users += change;
    share.store(users == 0 ? 0 : std::max(1, processors() / users), std::memory_order_relaxed);
}

// With the mutex, on a library that nobody uses yet.
void size_blas(void* handle) {
    if (any_is_set(blas_variables)) return;
    for (const auto& [get_name, set_name] : blas_functions) {
        const auto get = find<get_function>(handle, get_name);
        const auto set = find<set_function>(handle, set_name);
        const int mine = share.load(std::memory_order_relaxed);
        if (get == nullptr || set == nullptr || mine == 0) continue;
        if (mine < get()) set(mine);
        return;
    }
}

// An OpenMP's functions carry nothing that says which library is meant, of which there may be
// several: each has functions of its own here.
constexpr std::size_t capacity = 8;

struct openmp {
    void* handle = nullptr;
    get_function get_max_threads = nullptr;
    set_function set_num_threads = nullptr;
    void (*parallel)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
    int (*global_thread_number)(void*) = nullptr;
};
// Filled with the mutex, before any image knows the number; then constant.
openmp all_openmp[capacity];
std::size_t openmp_count = 0;

struct told {
    int at_first = 0;
    int last = 0;  // 0: nothing yet; -1: the user has chosen
};
thread_local told told_to[capacity];

// The number that an OpenMP uses is one for each thread that comes to it.
void tell_openmp(std::size_t library) noexcept {
    told& own = told_to[library];
    const int mine = share.load(std::memory_order_relaxed);
    if (own.last < 0) return;
    const openmp& functions = all_openmp[library];
    if (own.last == 0) own.at_first = own.last = functions.get_max_threads();
    const int wanted = mine == 0 ? own.at_first : std::min(mine, own.at_first);
    if (functions.get_max_threads() != own.last) {
        own.last = -1;
    } else if (wanted != own.last) {
        functions.set_num_threads(wanted);
        own.last = wanted;
    }
}

template <std::size_t Library>
constexpr openmp replacements = {
    .get_max_threads =
        [] {
            tell_openmp(Library);
            return all_openmp[Library].get_max_threads();
        },
    // GCC's, and LLVM's, at the start of a parallel region.
    .parallel =
        [](void (*body)(void*), void* data, unsigned count, unsigned flags) {
            if (count == 0) tell_openmp(Library);
            all_openmp[Library].parallel(body, data, count, flags);
        },
    .global_thread_number =
        [](void* place) {
            tell_openmp(Library);
            return all_openmp[Library].global_thread_number(place);
        },
};

template <std::size_t... Library>
constexpr std::array<openmp, sizeof...(Library)> all_of(std::index_sequence<Library...>) {
    return {replacements<Library>...};
}
constexpr auto table = all_of(std::make_index_sequence<capacity>());

}  // namespace

pool_user::pool_user() {
    const std::lock_guard lock(mutex);
    share_again(1);
}

pool_user::~pool_user() {
    const std::lock_guard lock(mutex);
    share_again(-1);
}

int processors_to_use() noexcept {
    return share.load(std::memory_order_relaxed);
}

bool blas_is_chosen(void* handle) noexcept {
    return any_is_set(blas_variables) && std::ranges::any_of(blas_functions, [&](const auto& each) {
               return dlsym(handle, each.first) != nullptr;
           });
}

std::optional<std::size_t> load_pool_library(const char* path) {
    // Held while the linker works: who comes second finds the library sized.
    const std::lock_guard lock(mutex);
    void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle == nullptr) {
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            const char* said = dlerror();
            throw std::runtime_error(said != nullptr ? said : "dlopen failed");
        }
        size_blas(handle);
    }
    for (std::size_t i = 0; i < openmp_count; i++)
        if (all_openmp[i].handle == handle) return i;
    openmp functions = {
        .handle = handle,
        .get_max_threads = find<get_function>(handle, "omp_get_max_threads"),
        .set_num_threads = find<set_function>(handle, "omp_set_num_threads"),
        .parallel = find<decltype(openmp::parallel)>(handle, "GOMP_parallel"),
        .global_thread_number =
            find<decltype(openmp::global_thread_number)>(handle, "__kmpc_global_thread_num"),
    };
    if (functions.get_max_threads == nullptr || functions.set_num_threads == nullptr ||
        openmp_count == capacity || any_is_set(openmp_variables)) {
        return std::nullopt;
    }
    all_openmp[openmp_count] = functions;
    return openmp_count++;
}

void* pool_replacement(std::size_t library, std::string_view name) noexcept {
    const openmp& own = table[library];
    if (name == "omp_get_max_threads") return reinterpret_cast<void*>(own.get_max_threads);
    if (name == "GOMP_parallel" && all_openmp[library].parallel != nullptr)
        return reinterpret_cast<void*>(own.parallel);
    if (name == "__kmpc_global_thread_num" && all_openmp[library].global_thread_number != nullptr)
        return reinterpret_cast<void*>(own.global_thread_number);
    return nullptr;
}

}  // namespace allcores::interpreter
