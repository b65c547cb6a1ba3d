// What the interpreters of this process share, and the two moments that concern them all: its end
// and a fork.
//
// Process-wide state, all of it in one object that is made on first use and never destroyed
// (threads may use it while the process exits), and made anew in the child of a fork (locks that
// other threads held there are never freed):
//   interpreters, creating, made, closing, inherited, ended
//              guarded by `mutex`
//   structure  held shared while CPython makes or deletes an interpreter, exclusively across a fork
//              (for a fork that has waited too long: as far as that goes)
//   unlinked   what a fork took out of CPython's list; guarded by `structure`, held exclusively
//   output     held while a worker writes lines (interpreter/output.h)
//   compiled   code of modules that have no bytecode on disk; has its own lock
//   main_jobs  what the main thread is to run; guarded by `mutex` (interpreter/main_thread.h)
//   main       the main interpreter's door; constant, and the same on both sides of a fork
//   generation counts forks; constant within one object
#pragma once
#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "concurrency/made_once.h"
#include "interpreter/door.h"
#include "interpreter/interpreter.h"
#include "interpreter/structure_lock.h"

namespace allcores::interpreter {

class image_life;

// One whose images may be unloaded once its thread is over, which is joinable until then.
struct ended_interpreter {
    std::int64_t id;
    std::shared_ptr<image_life> images;
    std::optional<pthread_t> thread;
};

struct process {
    static process& get() noexcept;

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::shared_ptr<interpreter>> interpreters;
    int creating = 0;
    std::uint64_t made = 0;  // ever; numbers names
    bool closing = false;
    std::string inherited;

    structure_lock structure;
    std::vector<PyInterpreterState*> unlinked;
    std::mutex output;
    concurrency::made_once compiled{64 << 20};
    std::vector<ended_interpreter> ended;  // whose images are not unloaded yet
    std::deque<std::move_only_function<void()>> main_jobs;
    std::shared_ptr<door> main = std::make_shared<door>("main");
    unsigned generation = 0;

    bool is_closing();
    void remove(const interpreter* gone) noexcept;

    // Unloads the images of interpreters that have ended, and gives back their memory, as far as
    // nothing of them can run any more. Detached.
    void release_ended() noexcept;

    // Ends all interpreters for the end of the process: idle ones properly, busy ones interrupted,
    // and what does not heed that within a second is abandoned. Nothing can be created afterwards.
    // Detached.
    void end_all(const interpreter::gives_up& giving_up);

    // The rest of it, with the main interpreter's GIL: nobody else calls into it any more, and what
    // it has shared goes.
    void end_main();

    // The door of the interpreter that this thread is in, with its GIL; null: it is not one of
    // ours, or has ended.
    std::shared_ptr<door> current_door();

    // Around os.fork(), on the thread that forks, with the main interpreter's GIL.
    static void before_fork();
    static void after_fork_in_parent() noexcept;
    static void after_fork_in_child() noexcept;
};

}  // namespace allcores::interpreter
