#include "interpreter/interpreter.h"

#include <marshal.h>
#include <pthread.h>
#include <sys/mman.h>

#include <cstring>
#include <shared_mutex>
#include <utility>

#include "data/guarded.h"
#include "data/remote_error.h"
#include "interpreter/image_stacks.h"
#include "interpreter/interpreter_heap.h"
#include "interpreter/process.h"

namespace allcores::interpreter {
namespace {

using data::checked;
using data::ref;

thread_local interpreter* own_interpreter = nullptr;

// CPython ends the process when memory runs out at some points of making an interpreter
// (PyInterpreterState_New). So see first that there is plenty: an interpreter takes about 3 MiB,
// its imports up to ten times that.
bool has_headroom(std::size_t stack_size, int interpreters_in_the_making) {
    const std::size_t bytes = (stack_size + (std::size_t(64) << 20)) *
                              static_cast<std::size_t>(interpreters_in_the_making);
    void* probe = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) return false;
    munmap(probe, bytes);
    return true;
}

// Fills most of what malloc makes ready for a new thread while the interpreter is made, for calloc
// clears that, and so touches it: 120 KiB of CPython's map of arenas, of which it uses two pages.
// What comes later needs no clearing, it is fresh from the system.
constexpr std::size_t plug_size = 120 << 10;

// Counts an interpreter that is being made, so that the end of the process can wait for it.
class making {
 public:
    explicit making(process& all) : all_(all) {
        const std::lock_guard lock(all_.mutex);
        if (all_.closing) throw creation_error("no new interpreter: the process is ending");
        count_ = ++all_.creating;
    }
    ~making() {
        {
            const std::lock_guard lock(all_.mutex);
            all_.creating--;
        }
        all_.changed.notify_all();
    }
    int count() const { return count_; }

 private:
    process& all_;
    int count_;
};

}  // namespace

std::string inherit() {
    ref bootstrap = checked(PyImport_ImportModule("allcores._bootstrap"));
    ref bytes = checked(PyObject_CallMethod(bootstrap.get(), "inherit", nullptr));
    if (!PyBytes_Check(bytes.get())) throw data::python_error();
    return {PyBytes_AS_STRING(bytes.get()),
            static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

interpreter::interpreter(key, settings wanted)
    : settings_(std::move(wanted)),
      name_(settings_.name),
      door_(std::make_shared<door>(name_)),
      generation_(process::get().generation) {}

interpreter* interpreter::current() noexcept {
    return own_interpreter;
}

bool interpreter::is_alive() const {
    // After a fork this object is a copy whose mutex another thread may have held.
    if (generation_ != process::get().generation) return false;
    const std::lock_guard lock(mutex_);
    return phase_ == phase::running;
}

std::shared_ptr<interpreter> interpreter::create(settings wanted) {
    process& all = process::get();
    const making one(all);
    all.release_ended();
    // It takes the main interpreter's GIL for what CPython allocates on a new thread, with a lock
    // held that it needs for that.
    if (memory_is_traced()) {
        throw creation_error(
            "tracemalloc is on, and CPython hangs when it makes an interpreter then: "
            "tracemalloc.stop() first");
    }
    if (!has_headroom(wanted.stack_size, one.count())) {
        throw creation_error("not enough memory for another interpreter", true);
    }
    {
        const std::lock_guard lock(all.mutex);
        if (wanted.inherited.empty()) wanted.inherited = all.inherited;
        all.made++;
        if (wanted.name.empty()) wanted.name = "interpreter-" + std::to_string(all.made);
    }
    auto made = std::make_shared<interpreter>(key{}, std::move(wanted));

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int error = pthread_attr_setstacksize(&attributes, made->settings_.stack_size);
    auto kept_by_thread = std::make_unique<std::shared_ptr<interpreter>>(made);
    pthread_t thread;
    if (error == 0) error = pthread_create(&thread, &attributes, thread_main, kept_by_thread.get());
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        throw creation_error(
            "no thread for another interpreter: " + std::string(std::strerror(error)),
            error == EAGAIN || error == ENOMEM);
    }
    static_cast<void>(kept_by_thread.release());
    while (made->started_.wait() != completion::outcome::done) {
    }
    if (!made->failure_.empty()) throw creation_error(made->failure_, made->out_of_memory_);
    return made;
}

void* interpreter::thread_main(void* self) noexcept {
    const std::unique_ptr<std::shared_ptr<interpreter>> kept(
        static_cast<std::shared_ptr<interpreter>*>(self));
    interpreter& me = **kept;
    pthread_setname_np(pthread_self(), me.name_.substr(0, 15).c_str());
    own_interpreter = &me;
    if (me.start()) {
        me.serve();
        me.finish();
    }
    own_interpreter = nullptr;
    clear_stack();
    if (!me.is_joined_) pthread_detach(pthread_self());
    return nullptr;
}

// Makes the interpreter and leaves it detached and running; false when there is none (the reason is
// in failure_).
bool interpreter::start() {
    process& all = process::get();
    PyInterpreterConfig config{};
    config.use_main_obmalloc = 0;
    config.allow_fork = 0;  // os.fork is refused here; subprocess works
    config.allow_exec = 1;
    config.allow_threads = 1;
    config.allow_daemon_threads = 1;
    config.check_multi_interp_extensions = 1;
    config.gil = PyInterpreterConfig_OWN_GIL;
    bool made = false;
    {
        const std::shared_lock no_fork_now(all.structure);
        void* volatile plug = malloc(plug_size);  // volatile: or the compiler leaves it out
        const PyStatus status = Py_NewInterpreterFromConfig(&own_, &config);
        free(plug);
        made = !PyStatus_Exception(status) && own_ != nullptr;
        if (!made) {
            failure_ = std::string("CPython could not make an interpreter: ") +
                       (status.err_msg != nullptr ? status.err_msg : "out of memory");
            out_of_memory_ =
                status.err_msg == nullptr || std::strstr(status.err_msg, "memory") != nullptr;
        } else {
            // Before a fork can come: it must find all of ours.
            state_ = own_->interp;
            id_ = PyInterpreterState_GetID(state_);
            const std::lock_guard lock(all.mutex);
            all.interpreters.push_back(shared_from_this());
        }
    }
    if (!made) {
        started_.set();
        return false;
    }
    try {
        boot();
    } catch (...) {
        data::set_python_error();
        out_of_memory_ = PyErr_ExceptionMatches(PyExc_MemoryError);
        const data::remote_error error = data::remote_error::take();
        failure_ = "the new interpreter could not start: " + error.type + ": " + error.message +
                   "\n" + error.traceback;
    }
    PyEval_SaveThread();
    {
        const std::lock_guard lock(mutex_);
        if (phase_ == phase::starting) phase_ = failure_.empty() ? phase::running : phase::ending;
    }
    if (failure_.empty()) {
        door_->open(state_, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->poke();
        });
        started_.set();
    } else {
        // Nothing is left behind when create() throws.
        finish();
        started_.set();
        return false;
    }
    return true;
}

// The Python side of a new interpreter. sys.path comes first: allcores itself may be found only
// through it.
void interpreter::boot() {
    ref inherited;
    if (!settings_.inherited.empty()) {
        inherited = checked(PyMarshal_ReadObjectFromString(
            settings_.inherited.data(), static_cast<Py_ssize_t>(settings_.inherited.size())));
        PyObject* path = PyDict_GetItemString(inherited.get(), "path");
        if (path != nullptr) checked(PySys_SetObject("path", path));
    } else {
        inherited = checked(PyDict_New());
    }
    ref bootstrap = checked(PyImport_ImportModule("allcores._bootstrap"));
    checked(PyObject_CallMethod(bootstrap.get(), "start", "Os", inherited.get(), name_.c_str()));
}

bool interpreter::post(std::move_only_function<void()> job, std::function<void()> when_abandoned) {
    if (generation_ != process::get().generation) return false;
    {
        const std::lock_guard lock(mutex_);
        if (phase_ != phase::running) return false;
        queue_.push_back({std::move(job), std::move(when_abandoned)});
    }
    wake_.notify_all();
    return true;
}

// The next job of the queue, if there is one. With the mutex held.
bool interpreter::take_job(task& next) noexcept {
    if (queue_.empty() || phase_ == phase::abandoned) return false;
    next = std::move(queue_.front());
    queue_.pop_front();
    when_abandoned_ = std::move(next.when_abandoned);
    return true;
}

void interpreter::poke() noexcept {
    {
        const std::lock_guard lock(mutex_);
        poked_ = true;
    }
    wake_.notify_all();
}

// Until it is to end: waits detached, runs jobs attached.
void interpreter::serve() {
    for (;;) {
        task next;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [&] { return !queue_.empty() || poked_ || phase_ != phase::running; });
            const bool poked = std::exchange(poked_, false);
            if (!take_job(next) && !poked) return;
        }
        PyEval_RestoreThread(own_);
        while (next.job) {
            run(next);
            next = {};
            const std::lock_guard lock(mutex_);
            when_abandoned_ = {};
            if (!take_job(next)) break;
        }
        door_->tidy();
        PyEval_SaveThread();
    }
}

void interpreter::run(task& next) noexcept {
    running_.store(++jobs_started_);
    try {
        next.job();
    } catch (...) {
        data::set_python_error();
    }
    settle();
    if (PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
}

void interpreter::settle() noexcept {
    // Both with the GIL and without letting it go in between: no interrupter comes after the first,
    // and what one has left behind is taken back by the second.
    running_.store(0);
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
}

}  // namespace allcores::interpreter
