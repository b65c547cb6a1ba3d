#include "interpreter/image_threads.h"

#include <Python.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "interpreter/image_calls.h"
#include "interpreter/image_life.h"
#include "interpreter/image_stacks.h"

// What a std::thread runs: as std::thread::_State, which is private, in the ABI of all C++
// compilers here (a table of two destructors and _M_run).
struct thread_body {
    virtual ~thread_body() = default;
    virtual void run() = 0;
};
using thread_state = std::unique_ptr<thread_body>;
void start_std_thread(std::thread*, thread_state, void (*)()) asm(
    "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");

namespace allcores::interpreter {

using life_pointer = std::shared_ptr<image_life>;
using std::chrono::milliseconds;

namespace {

// Where a thread waits: a futex, and the call that waits for it.
struct waiting_place {
    std::uintptr_t futex = 0, stack = 0, code = 0;
    std::uint64_t switches = 0;  // how often it has gone to sleep
    bool operator==(const waiting_place&) const = default;
};

enum class verdict { none, go_on, end };

}  // namespace

// One that an image has started, from then to its end, which is after all destructors of its
// variables: those of keys may run PTHREAD_DESTRUCTOR_ITERATIONS times.
struct image_thread {
    explicit image_thread(life_pointer life) : life(std::move(life)) { sem_init(&decided, 0, 0); }
    const life_pointer life;
    int rounds = 0;             // own thread only
    ucontext_t beginning;       // own thread only; valid while it runs
    bool was_ended = false;     // own thread only
    pthread_t self{};           // written before `number` is
    std::atomic<pid_t> number;  // of the OS; 0: it does not run the image's function
    // Written by who holds it, before it is asked; read by the thread when it is.
    waiting_place expected;
    std::atomic<bool> asked = false;
    std::atomic<bool> waits = false;  // its answer
    std::atomic<verdict> decision = verdict::none;
    sem_t decided;  // posted with each decision
    bool is_joinable = false;
};

namespace {

using thread_pointer = std::shared_ptr<image_thread>;

// Posted by each thread that answers. One life at a time asks, with the mutex.
std::mutex asking;
sem_t* answers() {
    static auto* one = [] {
        auto* made = new sem_t;
        sem_init(made, 0, 0);
        return made;
    }();
    return one;
}

void thread_ends(void* argument) noexcept;

pthread_key_t thread_key() {
    static const pthread_key_t key = [] {
        pthread_key_t made;
        if (pthread_key_create(&made, thread_ends) != 0) Py_FatalError("no key left for threads");
        return made;
    }();
    return key;
}

void thread_ends(void* argument) noexcept {
    auto* own = static_cast<thread_pointer*>(argument);
    if (++(*own)->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(thread_key(), own);
        return;
    }
    image_calls::end_thread(*own, *(*own)->life);
    delete own;
    clear_stack();
}

#if defined(__x86_64__)
// Whether a signal has interrupted a thread in the call where it was seen waiting.
bool is_waiting(const ucontext_t& context, const waiting_place& place) noexcept {
    const auto& registers = context.uc_mcontext.gregs;
    constexpr std::uintptr_t size_of_syscall = 2;
    const auto code = static_cast<std::uintptr_t>(registers[REG_RIP]);
    // The call has ended, or is about to be made again.
    const bool interrupted = registers[REG_RAX] == -EINTR && code == place.code;
    const bool restarts = registers[REG_RAX] == SYS_futex && code == place.code - size_of_syscall;
    return (interrupted || restarts) &&
           static_cast<std::uintptr_t>(registers[REG_RSP]) == place.stack &&
           static_cast<std::uintptr_t>(registers[REG_RDI]) == place.futex;
}
constexpr bool can_hold = true;
#else
bool is_waiting(const ucontext_t&, const waiting_place&) noexcept {
    return false;
}
constexpr bool can_hold = false;
#endif

void on_signal(int, siginfo_t*, void* context) noexcept {
    const int error = errno;
    auto* own = static_cast<thread_pointer*>(pthread_getspecific(thread_key()));
    if (own != nullptr && (*own)->asked.exchange(false)) {
        image_thread& me = **own;
        const bool waits = is_waiting(*static_cast<ucontext_t*>(context), me.expected);
        me.waits = waits;
        sem_post(answers());
        if (waits) {
            while (me.decision.load() == verdict::none) sem_wait(&me.decided);
            if (me.decision.load() == verdict::end) {
                me.was_ended = true;
                setcontext(&me.beginning);
            }
        }
    }
    errno = error;
}

// A signal that nobody else uses; 0: there is none.
int signal_number() {
    static const int number = [] {
        if (!can_hold) return 0;
        for (int each = SIGRTMAX - 1; each > SIGRTMIN; each--) {
            struct sigaction action;
            if (sigaction(each, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
            action = {};
            action.sa_sigaction = on_signal;
            action.sa_flags = SA_SIGINFO | SA_RESTART;
            sigfillset(&action.sa_mask);
            if (sigaction(each, &action, nullptr) == 0) return each;
        }
        return 0;
    }();
    return number;
}

// Runs an image's function on its thread; whether it has returned. Otherwise the thread was ended.
template <class Function>
bool run_as(const thread_pointer& made, const Function& function) {
    auto* own = new thread_pointer(made);
    pthread_setspecific(thread_key(), own);
    if (const int number = signal_number(); number != 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    }
    image_thread& me = **own;
    me.self = pthread_self();
    // Not longjmp(): that runs what waits for the thread's cancellation, which takes locks.
    getcontext(&me.beginning);
    image_thread& now = **static_cast<thread_pointer*>(pthread_getspecific(thread_key()));
    if (!now.was_ended) {
        now.number.store(static_cast<pid_t>(syscall(SYS_gettid)));
        function();
    }
    now.number.store(0);
    return !now.was_ended;
}

template <class Result>
struct thread_start {
    thread_pointer thread;
    Result (*function)(void*);
    void* argument;
};

template <class Result>
Result run_thread(void* argument) {
    auto* given = static_cast<thread_start<Result>*>(argument);
    const auto [thread, function, of_function] = *given;
    delete given;
    Result result{};
    run_as(thread, [&] { result = function(of_function); });
    return result;
}

// `start_it` is called with what to run, and says whether it worked.
template <class Result, class Start>
int start_counted(const life_pointer& life, Result (*function)(void*), void* argument,
                  const Start& start_it) {
    auto thread = std::make_shared<image_thread>(life);
    auto start = std::make_unique<thread_start<Result>>(thread, function, argument);
    image_calls::begin_thread(thread, *life);
    const int error = start_it(run_thread<Result>, start.get());
    if (error == 0) {
        static_cast<void>(start.release());
    } else {
        image_calls::end_thread(thread, *life);
    }
    return error;
}

// Whose image starts it, by what it runs or else by who calls.
life_pointer life_of_start(const void* run, const void* caller) {
    auto life = image_calls::of(run);
    return life != nullptr ? life : image_calls::of(caller);
}

int create_pthread(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                   void* argument) noexcept {
    const auto life = life_of_start(reinterpret_cast<void*>(function), __builtin_return_address(0));
    if (life == nullptr) return pthread_create(thread, attributes, function, argument);
    return start_counted(life, function, argument, [&](auto* run, void* start) {
        return pthread_create(thread, attributes, run, start);
    });
}

int create_thrd(thrd_t* thread, int (*function)(void*), void* argument) noexcept {
    const auto life = life_of_start(reinterpret_cast<void*>(function), __builtin_return_address(0));
    if (life == nullptr) return thrd_create(thread, function, argument);
    return start_counted(life, function, argument,
                         [&](auto* run, void* start) { return thrd_create(thread, run, start); });
}

struct counted_body final : thread_body {
    counted_body(thread_pointer thread, thread_state inner)
        : thread(std::move(thread)), inner(std::move(inner)) {}
    void run() override {
        // What it was made of is the image's to destroy, which is no more.
        if (!run_as(thread, [&] { inner->run(); })) static_cast<void>(inner.release());
    }
    const thread_pointer thread;
    thread_state inner;
};

void create_std_thread(std::thread* thread, thread_state state, void (*depend)()) {
    const void* table = *reinterpret_cast<const void* const*>(state.get());
    const auto life = life_of_start(table, __builtin_return_address(0));
    if (life == nullptr) {
        start_std_thread(thread, std::move(state), depend);
        return;
    }
    const auto made = std::make_shared<image_thread>(life);
    image_calls::begin_thread(made, *life);
    try {
        start_std_thread(thread, std::make_unique<counted_body>(made, std::move(state)), depend);
    } catch (...) {
        image_calls::end_thread(made, *life);
        throw;
    }
}

std::string read_small_file(const std::string& path) {
    std::string text;
    if (FILE* file = std::fopen(path.c_str(), "re")) {
        text.resize(4096);
        text.resize(std::fread(text.data(), 1, text.size(), file));
        std::fclose(file);
    }
    return text;
}

// Where a thread waits for a futex, as a condition variable or a semaphore does (a lock is waited
// for otherwise); false: it does not.
bool observe(const image_thread& thread, waiting_place& place) {
    const pid_t number = thread.number.load();
    if (number == 0) return false;
    const std::string folder = "/proc/self/task/" + std::to_string(number);
    long call = -1;
    std::uintptr_t arguments[6], stack, code;
    const std::string said = read_small_file(folder + "/syscall");
    if (std::sscanf(said.c_str(),
                    "%ld 0x%" SCNxPTR " 0x%" SCNxPTR " 0x%" SCNxPTR " 0x%" SCNxPTR " 0x%" SCNxPTR
                    " 0x%" SCNxPTR " 0x%" SCNxPTR " 0x%" SCNxPTR,
                    &call, &arguments[0], &arguments[1], &arguments[2], &arguments[3],
                    &arguments[4], &arguments[5], &stack, &code) != 9) {
        return false;
    }
    constexpr std::uintptr_t command = FUTEX_CMD_MASK & 0x7f;
    if (call != SYS_futex || (arguments[1] & command) != FUTEX_WAIT_BITSET) return false;
    place = {arguments[0], stack, code, 0};
    const std::string status = read_small_file(folder + "/status");
    const std::size_t at = status.find("\nvoluntary_ctxt_switches:");
    if (at == std::string::npos) return false;
    return std::sscanf(status.c_str() + at, "\nvoluntary_ctxt_switches: %" SCNu64,
                       &place.switches) == 1;
}

// So long a thread has to be seen waiting, and so long it may take to answer.
constexpr milliseconds seen_waiting{10};
constexpr milliseconds time_to_answer{200};
constexpr milliseconds time_to_end{1000};

bool wait_for_answer(milliseconds at_most) {
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += std::chrono::nanoseconds(at_most).count();
    until.tv_sec += until.tv_nsec / 1'000'000'000;
    until.tv_nsec %= 1'000'000'000;
    int result;
    while ((result = sem_timedwait(answers(), &until)) != 0 && errno == EINTR) {
    }
    return result == 0;
}

void decide(image_thread& thread, verdict what) {
    thread.decision.store(what);
    sem_post(&thread.decided);
}

}  // namespace

held_threads::held_threads(image_life& life) noexcept : life_(life) {
    const int number = signal_number();
    if (number == 0) return;
    const auto threads = image_calls::threads_of(life);
    // 1. All wait, and have not done anything else for a while.
    for (const auto& thread : threads)
        if (!observe(*thread, thread->expected)) return;
    std::this_thread::sleep_for(seen_waiting);
    for (const auto& thread : threads) {
        waiting_place now;
        if (!observe(*thread, now) || now != thread->expected) return;
    }
    // 2. They are stopped, and look whether they were still waiting. (The mutex is not the life's:
    // a thread that ends meanwhile would wait for that one.)
    const std::lock_guard lock(asking);
    while (sem_trywait(answers()) == 0) {  // too late, the last time
    }
    std::size_t asked = 0;
    for (const auto& thread : threads) {
        thread->decision = verdict::none;
        thread->waits = false;
        thread->asked = true;
        if (syscall(SYS_tgkill, getpid(), thread->number.load(), number) == 0) {
            asked++;
        } else {
            thread->asked = false;
        }
    }
    std::size_t answered = 0;
    while (answered < asked && wait_for_answer(time_to_answer)) answered++;
    // One that has blocked the signal: it may see it whenever it likes, and will do nothing. One
    // that has just begun to answer is waited for.
    for (const auto& thread : threads) {
        if (answered == asked) break;
        if (thread->asked.exchange(false)) asked--;
    }
    while (answered < asked && wait_for_answer(time_to_end)) answered++;
    complete_ = std::ranges::all_of(threads, [](const auto& each) { return each->waits.load(); });
    if (complete_) {
        held_ = threads;
        return;
    }
    // Those that wait for it hear that they may go on; to the others it says nothing.
    for (const auto& thread : threads) decide(*thread, verdict::go_on);
}

held_threads::~held_threads() {
    for (const auto& thread : held_) decide(*thread, verdict::go_on);
}

bool held_threads::end() noexcept {
    const auto ending = std::exchange(held_, {});
    for (const auto& thread : ending) {
        pthread_attr_t attributes;
        int detached = PTHREAD_CREATE_DETACHED;
        if (pthread_getattr_np(thread->self, &attributes) == 0) {
            pthread_attr_getdetachstate(&attributes, &detached);
            pthread_attr_destroy(&attributes);
        }
        thread->is_joinable = detached == PTHREAD_CREATE_JOINABLE;
    }
    for (const auto& thread : ending) decide(*thread, verdict::end);
    const auto deadline = std::chrono::steady_clock::now() + time_to_end;
    while (!image_calls::threads_of(life_).empty()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(milliseconds(1));
    }
    // Nobody else is left who could.
    for (const auto& thread : ending)
        if (thread->is_joinable) pthread_join(thread->self, nullptr);
    return true;
}

pid_t number_of(const image_thread& thread) noexcept {
    return thread.number.load();
}

void* thread_replacement(std::string_view name) noexcept {
    if (name == "pthread_create") return reinterpret_cast<void*>(create_pthread);
    if (name == "thrd_create") return reinterpret_cast<void*>(create_thrd);
    if (name ==
        "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_"
        "EEPFvvE") {
        return reinterpret_cast<void*>(create_std_thread);
    }
    return nullptr;
}

}  // namespace allcores::interpreter
