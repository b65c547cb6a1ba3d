// The images of one interpreter: its own copies of extension modules and of the libraries that come
// with them.
//
// An extension keeps state in C globals that belongs to one interpreter, and most were only ever
// called under one GIL, which was their lock. With an image for each interpreter both stay true.
//
// A set is made in its interpreter, used by that interpreter's threads with its GIL held, and
// forgotten when the interpreter goes. What becomes of the images then: interpreter/image_life.h.
#pragma once
#include <Python.h>
#include <link.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "interpreter/image_life.h"
#include "interpreter/image_names.h"
#include "interpreter/image_pools.h"

namespace allcores::interpreter {

struct image_candidate;
struct bound_symbol;

// An image can't be made or loaded; says why.
struct image_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A file as it is now; another one under the same name is another.
struct file_identity {
    dev_t device;
    ino_t inode;
    off_t size;
    std::int64_t changed_ns;
    auto operator<=>(const file_identity&) const = default;
    // Throws image_error.
    static file_identity of(const std::string& path);
};

struct image {
    void* handle = nullptr;
    std::string soname;      // what DT_NEEDED entries of other images must say
    std::string other_name;  // or this, where they have the name of its file, which is none
};

class image_set {
 public:
    image_set() = default;
    ~image_set();
    image_set(const image_set&) = delete;
    image_set& operator=(const image_set&) = delete;

    // The current interpreter's; null when it has none.
    static image_set* current() noexcept;
    // Gives the current interpreter a set, unless it has one. Throws data::python_error.
    static image_set& ensure_current();

    // The image of a file, made when there is none yet. Throws image_error (the linker's message
    // included), elf_error when the file is none that could have an image.
    image open(const std::string& path);
    // For a library that is opened by its path or name, in this mode of dlopen's: as open(), or
    // null when it stays shared, as most of the system's do (interpreter/system_library.h).
    void* open_library(const std::string& path, int mode);
    // The next open() makes a new one: what failed half-way may have left anything in its globals.
    void forget(const std::string& path) noexcept;

    // No thread from outside comes in any more; waits for those inside. With the GIL, which it lets
    // go meanwhile. False when somebody stays inside for longer.
    bool close(std::chrono::milliseconds at_most) noexcept;

    // What its images have going on, also when the set is no more.
    const std::shared_ptr<image_life>& life() const { return life_; }
    // For Py_AtExit: a function to be called when the interpreter is gone but for its memory. With
    // the GIL. False when there is no memory.
    bool call_at_end(void (*function)()) noexcept;

    // While one lives, CPython lets this interpreter load modules that do not declare that they
    // may be in one. With the GIL. Throws data::python_error.
    class [[nodiscard]] any_module_allowed {
     public:
        explicit any_module_allowed(image_set& set);
        ~any_module_allowed();
        any_module_allowed(const any_module_allowed&) = delete;
        any_module_allowed& operator=(const any_module_allowed&) = delete;

     private:
        image_set& set_;
    };

    // The full name of the module whose init function runs on this thread: PyModule_Create2 in an
    // image takes it from here, as CPython's own does from its import.
    class [[nodiscard]] naming {
     public:
        explicit naming(std::string full_name);
        ~naming();
        naming(const naming&) = delete;
        naming& operator=(const naming&) = delete;

     private:
        const std::string* before_;
        std::string full_name_;
    };

 private:
    using inherited_paths = std::vector<std::string>;
    using candidates = std::vector<std::shared_ptr<image_candidate>>;
    // An image, or, without a handle yet, what becomes one together with its user.
    struct opened {
        image made;
        image_candidate* partner;
    };
    opened open(const std::string& path, const inherited_paths& inherited, image_candidate* user);
    void prepare_needed(image_candidate& mine, std::string_view name,
                        const inherited_paths& folders, const inherited_paths& inherited);
    void need_image(image_candidate& mine, std::string_view name, const std::string& path,
                    const inherited_paths& inherited);
    void share_library(image_candidate& mine, const std::string& path);
    void* replacement(const bound_symbol& symbol);

    // Held while images are made, by one thread of the interpreter at a time; never waited for with
    // the GIL held. Recursive: a library's constructors may import something.
    std::recursive_mutex mutex_;
    std::map<file_identity, image> images_;
    std::map<std::string, std::string, std::less<>> new_sonames_;  // by the old one
    unique_names unique_names_;
    candidates making_;  // a file, what it needs, what that needs, until they are linked
    const std::shared_ptr<image_life> life_ = std::make_shared<image_life>();
    std::optional<std::size_t> owner_;  // its number as an image_owner, when it needed one
    const pool_user pool_user_;
    bool closed_ = false;
    std::vector<void (*)()> at_end_;

    int allowing_ = 0;  // any_module_allowed: how many live, and what to go back to
    int check_before_ = 0;

    friend class locked_set;
};

}  // namespace allcores::interpreter
