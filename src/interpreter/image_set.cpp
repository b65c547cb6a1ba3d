// Making images: what is copied, what is shared, under which names.
#include "interpreter/image_set.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "data/guarded.h"
#include "interpreter/attach.h"
#include "interpreter/elf_file.h"
#include "interpreter/image_binding.h"
#include "interpreter/image_group.h"
#include "interpreter/image_libc.h"
#include "interpreter/image_owner.h"
#include "interpreter/image_pools.h"
#include "interpreter/image_search.h"
#include "interpreter/image_weakrefs.h"
#include "interpreter/interpreter_heap.h"
#include "interpreter/system_library.h"

namespace allcores::interpreter {
namespace {

using data::checked;
using data::ref;

// Libraries of the system, and of those that are shared, that never call what an image gave them
// once the call is over: no callbacks are kept, and no thread of theirs runs an image's code by
// itself. Images that need another one are not unloaded, as nobody knows.
constexpr std::array forgetting_libraries = {
    "libopenblas", "libscipy_openblas", "libmkl_",   "libgomp",    "libomp",
    "libiomp",     "libblas",           "liblapack", "libcblas",   "libatlas",
    "libgfortran", "libquadmath",       "libstdc++", "libgcc_s",   "libpython",
    "libc.so",     "libm.so",           "libmvec.",  "libpthread", "libdl.",
    "librt.",      "ld-linux",          "libutil.",  "libresolv.", "libnsl.",
    "libz.",       "libbz2.",           "liblzma.",  "libzstd.",   "libcrypt.",
    "libatomic.",  "libuuid.",          "libexpat.", "libffi.",
};

bool keeps_nothing(std::string_view file_name) {
    return std::ranges::any_of(forgetting_libraries,
                               [&](const char* start) { return file_name.starts_with(start); });
}

thread_local const std::string* current_name = nullptr;  // of class naming

// PyModule_Create2 in an image: as CPython's, which takes a module's full name from the import that
// runs its init function.
PyObject* create_module(PyModuleDef* definition, int api_version) noexcept {
    if (current_name != nullptr) {
        const std::size_t dot = current_name->rfind('.');
        if (dot != std::string::npos && current_name->substr(dot + 1) == definition->m_name) {
            const std::string* full_name = std::exchange(current_name, nullptr);
            // The definition keeps it until the image is unloaded.
            char* kept = strdup(full_name->c_str());
            if (kept == nullptr) return PyErr_NoMemory();
            definition->m_name = kept;
            if (image_set* set = image_set::current()) set->life()->free_later(kept);
        }
    }
    return PyModule_Create2(definition, api_version);
}

// Modules that an image makes of its own definitions (PyO3 does for submodules): allowed, as the
// image is.
template <class Make>
PyObject* make_allowed(const Make& make) noexcept {
    return data::guarded([&]() -> PyObject* {
        image_set* set = image_set::current();
        if (set == nullptr) return make();
        const image_set::any_module_allowed allowed(*set);
        return make();
    });
}

PyObject* module_from_definition(PyModuleDef* definition, PyObject* spec,
                                 int api_version) noexcept {
    return make_allowed([&] { return PyModule_FromDefAndSpec2(definition, spec, api_version); });
}

#if PY_VERSION_HEX >= 0x030F0000
PyObject* module_from_slots(const PySlot* slots, PyObject* spec) noexcept {
    return make_allowed([&] { return PyModule_FromSlotsAndSpec(slots, spec); });
}
#endif

// Destructors of an image's static objects. They would run at the end of the process, when the
// interpreter is gone, and wait for threads that hang (Arrow's do) or let go of Python's objects
// (Ray's do).
int forget_destructor(void (*)(void*), void*, void*) noexcept {
    return 0;
}
int forget_function(void (*)(int, void*), void*) noexcept {
    return 0;
}

// The child of a fork has no interpreter but main, which has its own, and the threads of the others
// may be where a handler would wait for them.
int forget_fork_handlers(void (*)(), void (*)(), void (*)()) noexcept {
    return 0;
}

// CPython has room for 32 of these, for when the process has ended.
int at_python_end(void (*function)()) noexcept {
    image_set* set = PyThreadState_GetUnchecked() == nullptr ? nullptr : image_set::current();
    return set != nullptr && set->call_at_end(function) ? 0 : -1;
}

// dlopen() in an image, as cffi and plugins' hosts call it: a library of a package, or one of the
// system's that must not be shared, is opened as an image here, too. What dlopen() finds may depend
// on who calls it, so it must not see a caller in between.
void* open_as_image(const char* name, int mode) noexcept {
    if (name == nullptr || PyThreadState_GetUnchecked() == nullptr) return nullptr;
    if ((mode & RTLD_NOLOAD) != 0 && !comes_with_a_package(name)) return nullptr;
    image_set* set = image_set::current();
    if (set == nullptr) return nullptr;
    try {
        void* handle = set->open_library(name, mode);
        if (handle == nullptr && (mode & RTLD_NOLOAD) == 0 && !keeps_nothing(file_name_of(name)))
            set->life()->pin();
        return handle;
    } catch (...) {
        return nullptr;  // the linker itself will say what is wrong with it
    }
}
void* open_in_image(const char* name, int mode) noexcept {
    if (void* handle = open_as_image(name, mode)) return handle;
    [[gnu::musttail]] return dlopen(name, mode);
}

// PyGILState_Check() in an image. CPython's says yes to every thread of a process that has had a
// second interpreter, and those who ask (rapidgzip, PyTorch) then let go of a GIL they don't have.
int has_the_gil() noexcept {
    return PyThreadState_GetUnchecked() != nullptr ? 1 : 0;
}

constexpr const char* capsule_name = "allcores.image_set";

void delete_set(PyObject* capsule) noexcept {
    delete static_cast<image_set*>(PyCapsule_GetPointer(capsule, capsule_name));
}

}  // namespace

// Holds a set's mutex. The thread that has the mutex may need the GIL: so it is let go to wait.
class locked_set {
 public:
    explicit locked_set(image_set& set) : lock_(set.mutex_, std::try_to_lock) {
        if (lock_.owns_lock()) return;
        PyThreadState* saved = PyEval_SaveThread();
        lock_.lock();
        PyEval_RestoreThread(saved);
    }

 private:
    std::unique_lock<std::recursive_mutex> lock_;
};

file_identity file_identity::of(const std::string& path) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0)
        throw image_error(path + ": " + std::generic_category().message(errno));
    return {status.st_dev, status.st_ino, status.st_size,
            status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

image_set* image_set::current() noexcept {
    PyObject* own = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject* capsule = own == nullptr ? nullptr : PyDict_GetItemString(own, capsule_name);
    if (capsule == nullptr) {
        PyErr_Clear();
        return nullptr;
    }
    return static_cast<image_set*>(PyCapsule_GetPointer(capsule, capsule_name));
}

image_set& image_set::ensure_current() {
    if (image_set* set = current()) return *set;
    PyObject* own = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (own == nullptr) throw image_error("this interpreter has no place for images");
    auto made = std::make_unique<image_set>();
    ref capsule = checked(PyCapsule_New(made.get(), capsule_name, delete_set));
    image_set& set = *made.release();
    checked(PyDict_SetItemString(own, capsule_name, capsule.get()));
    return set;
}

// When the interpreter is deleted, at the latest.
image_set::~image_set() {
    while (!at_end_.empty()) {
        void (*last)() = at_end_.back();
        at_end_.pop_back();
        last();
    }
    if (owner_) image_owner::shut(*owner_);
}

bool image_set::call_at_end(void (*function)()) noexcept {
    try {
        at_end_.push_back(function);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

bool image_set::close(std::chrono::milliseconds at_most) noexcept {
    {
        const locked_set lock(*this);
        closed_ = true;
    }
    if (!owner_) return true;
    PyThreadState* saved = PyEval_SaveThread();
    const bool empty = image_owner::close(*owner_, at_most);
    PyEval_RestoreThread(saved);
    return empty;
}

image image_set::open(const std::string& path) {
    const locked_set lock(*this);
    watch_heaps();
    // Loading runs constructors, and one may come here: what it needs is made apart.
    auto outer = std::exchange(making_, {});
    try {
        image made = open(path, {}, nullptr).made;
        making_ = std::move(outer);
        return made;
    } catch (const std::system_error& error) {
        making_ = std::move(outer);
        throw image_error(error.what());
    } catch (...) {
        making_ = std::move(outer);
        throw;
    }
}

// For `user`, which needs it, when there is one.
image_set::opened image_set::open(const std::string& path, const inherited_paths& inherited,
                                  image_candidate* user) {
    if (closed_) throw image_error("the interpreter is ending");
    const file_identity identity = file_identity::of(path);
    if (const auto found = images_.find(identity); found != images_.end())
        return {found->second, nullptr};
    for (const auto& other : making_) {
        if (other->identity != identity) continue;
        user->reaches = std::min(user->reaches, other->order);
        return {other->made, other.get()};
    }
    const std::size_t depth = making_.size();
    try {
        making_.push_back(std::make_shared<image_candidate>(path, identity, depth));
        const auto mine = making_.back();
        // 1. What it needs, first: images, or what is shared, so that the linker finds both by
        // their sonames. From the copy it could not find anything beside the original.
        const inherited_paths folders = folders_of(mine->parts, path);
        inherited_paths below = inherited;
        if (mine->parts.search_path_is_inherited())
            below.insert(below.end(), folders.begin(), folders.end());
        // A BLAS before others that may need it too: it is sized when it is loaded from here.
        for (const bool shared : {true, false}) {
            for (const std::string_view name : mine->parts.needed())
                if (is_shared_library(name) == shared) prepare_needed(*mine, name, folders, below);
        }
        // 2. It leads back to one that is in the making: both are linked together, later.
        if (mine->reaches < mine->order) {
            user->reaches = std::min(user->reaches, mine->reaches);
            return {mine->made, mine.get()};
        }
        // 3. Else it is linked now, with those that led back to it.
        const candidates group(making_.begin() + static_cast<std::ptrdiff_t>(depth), making_.end());
        try {
            link_group(
                group, unique_names_,
                [&](const bound_symbol& symbol) { return replacement(symbol); }, *life_);
        } catch (const image_error&) {
            // It may need what only others define that its user needs too (PyTorch's CUDA
            // libraries do): the linker finds that when it links them for the user.
            if (user == nullptr || mine->made.handle != nullptr) throw;
            return {mine->made, mine.get()};
        }
        making_.erase(making_.begin() + static_cast<std::ptrdiff_t>(depth), making_.end());
        for (const auto& each : group) {
            if (!each->made.soname.empty())
                new_sonames_[std::string(each->parts.soname())] = each->made.soname;
            // A constructor may have come here for the same file: then that one stays.
            images_.try_emplace(each->identity, each->made);
        }
        return {images_.at(identity), nullptr};
    } catch (...) {
        making_.erase(making_.begin() + static_cast<std::ptrdiff_t>(depth), making_.end());
        throw;
    }
}

void* image_set::open_library(const std::string& path, int mode) {
    if (is_shared_library(file_name_of(path))) return nullptr;
    std::string found = path;
    if (!path.contains('/') || !comes_with_a_package(path)) {
        const auto copied = system_library_to_copy(path);
        if (!copied) return nullptr;
        found = *copied;
    }
    if ((mode & RTLD_NOLOAD) == 0) return open(found).handle;
    const locked_set lock(*this);
    const auto known = images_.find(file_identity::of(found));
    return known == images_.end() ? nullptr : known->second.handle;
}

void image_set::forget(const std::string& path) noexcept {
    const locked_set lock(*this);
    try {
        images_.erase(file_identity::of(path));
    } catch (...) {
        // It is gone: then nobody can open it again either.
    }
}

// Makes sure that what `name` means to `mine` is loaded, or will be, and that the copy names it.
void image_set::prepare_needed(image_candidate& mine, std::string_view name,
                               const inherited_paths& folders, const inherited_paths& inherited) {
    const bool is_path = name.contains('/');  // then the linker does not look for it
    for (const inherited_paths* list : {&folders, &inherited}) {
        const std::string path = is_path ? std::string() : find_file(*list, name);
        if (path.empty()) continue;
        if (is_shared_library(name)) {
            load_needed_of_shared(path, inherited);
            share_library(mine, path);
            return;
        }
        need_image(mine, name, path, inherited);
        return;
    }
    // The system's.
    if (is_shared_library(name) || name.starts_with("libopenblas")) {
        share_library(mine, std::string(name));
        return;
    }
    // The package may have opened it before by its path, through ctypes.
    if (const auto found = new_sonames_.find(name); found != new_sonames_.end()) {
        mine.rename(name, found->second);
    } else if (const auto path = system_library_to_copy(std::string(name))) {
        need_image(mine, name, *path, inherited);
    } else {
        mine.shared.emplace_back(name);
        if (!keeps_nothing(file_name_of(std::string(name)))) life_->pin();
    }
}

// `mine` needs the image of `path`, which it knows by `name`.
void image_set::need_image(image_candidate& mine, std::string_view name, const std::string& path,
                           const inherited_paths& inherited) {
    const opened library = open(path, inherited, &mine);
    if (library.partner != nullptr) {
        mine.partners.emplace_back(name, library.partner);
    } else if (library.made.soname.size() == name.size()) {
        mine.rename(name, library.made.soname);
    } else if (library.made.other_name.size() == name.size()) {
        mine.rename(name, library.made.other_name);
    } else {
        // It has no name that could be put there. The linker looks for the one that is there: what
        // has it already is the original.
        life_->pin();
        link(path, path);
    }
}

// `mine` uses a library that all interpreters share.
void image_set::share_library(image_candidate& mine, const std::string& path) {
    if (!keeps_nothing(file_name_of(path))) life_->pin();
    mine.shared.push_back(path);
    try {
        if (const auto openmp = load_pool_library(path.c_str())) mine.openmp = openmp;
    } catch (const std::runtime_error& error) {
        throw image_error(error.what());
    }
}

void* image_set::replacement(const bound_symbol& symbol) {
    const std::string_view name = symbol.name;
    life_->imports(name);
    if (void* found = image_life::replacement(name)) return found;
    if (name == "__cxa_atexit" || name == "__cxa_at_quick_exit")
        return reinterpret_cast<void*>(forget_destructor);
    if (name == "on_exit") return reinterpret_cast<void*>(forget_function);
    if (name == "__register_atfork" || name == "pthread_atfork")
        return reinterpret_cast<void*>(forget_fork_handlers);
    if (name == "Py_AtExit") return reinterpret_cast<void*>(at_python_end);
    if (name == "PyGILState_Check") return reinterpret_cast<void*>(has_the_gil);
    if (name == "dlopen") return reinterpret_cast<void*>(open_in_image);
    if (name == "PyModule_Create2") return reinterpret_cast<void*>(create_module);
    if (name == "PyModule_FromDefAndSpec2") return reinterpret_cast<void*>(module_from_definition);
#if PY_VERSION_HEX >= 0x030F0000
    if (name == "PyModule_FromSlotsAndSpec") return reinterpret_cast<void*>(module_from_slots);
#endif
    if (void* found = weakref_replacement(name)) return found;
    if (!image_owner::replaces(name)) return nullptr;
    // Others have functions of such names too, a getopt() of their own, say.
    if (libc_replaces(name) && !is_of_the_c_library(symbol.now)) return nullptr;
    if (!owner_) {
        owner_ = image_owner::add();
        life_->owned_by(*owner_);
    }
    return image_owner::replacement(*owner_, name);
}

image_set::any_module_allowed::any_module_allowed(image_set& set) : set_(set) {
    if (set_.allowing_ == 0) {
        ref module = checked(PyImport_ImportModule("_imp"));
        ref before = checked(
            PyObject_CallMethod(module.get(), "_override_multi_interp_extensions_check", "i", -1));
        set_.check_before_ = static_cast<int>(PyLong_AsLong(before.get()));
    }
    set_.allowing_++;
}

image_set::any_module_allowed::~any_module_allowed() {
    if (--set_.allowing_ > 0) return;
    PyObject* error = PyErr_GetRaisedException();
    PyObject* module = PyImport_ImportModule("_imp");
    PyObject* done = module == nullptr
                         ? nullptr
                         : PyObject_CallMethod(module, "_override_multi_interp_extensions_check",
                                               "i", set_.check_before_);
    if (done == nullptr) PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(module);
    PyErr_SetRaisedException(error);
}

image_set::naming::naming(std::string full_name)
    : before_(current_name), full_name_(std::move(full_name)) {
    current_name = &full_name_;
}

image_set::naming::~naming() {
    current_name = before_;
}

}  // namespace allcores::interpreter
