// What of an ELF shared object an image needs to know and to change: its names, its needs, where it
// looks for them, and its segments.
//
// Plain functions of the file's bytes; nothing here touches Python or the running process. The
// bytes come from files that anybody may have made, so every offset in them is checked. Callable
// from any thread.
//
// Source: the System V ABI (gabi), chapters 4 and 5; GNU's extensions as in glibc's <elf.h>.
#pragma once
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace allcores::interpreter {

// Not a shared object that this machine can load.
struct elf_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class elf_file {
 public:
    struct segment {
        std::uintptr_t address;  // from where the object is loaded
        std::size_t offset;      // in the file
        std::size_t size;        // in the file
        std::size_t memory_size;
        bool writable;
        bool executable;
    };
    struct range {
        std::uintptr_t address = 0;
        std::size_t size = 0;
    };
    struct patch {
        std::size_t offset;
        std::string bytes;
    };

    // `bytes` must outlive it. Throws elf_error.
    explicit elf_file(std::span<const std::byte> bytes);

    // DT_SONAME; empty when it has none.
    std::string_view soname() const { return soname_; }
    // DT_NEEDED, in order.
    const std::vector<std::string_view>& needed() const { return needed_; }
    // The folders of DT_RUNPATH, or else of DT_RPATH, as they are written ($ORIGIN and all).
    const std::vector<std::string_view>& search_path() const { return search_path_; }
    // Whether search_path() is a DT_RPATH, which counts for the libraries of libraries too.
    bool search_path_is_inherited() const { return inherited_; }
    // PT_LOAD, in order.
    const std::vector<segment>& segments() const { return segments_; }
    // What the linker closes after it has relocated it (PT_GNU_RELRO).
    range closed_after_relocation() const { return closed_; }
    // Whether code is relocated in place (DT_TEXTREL), so that it differs from the file's.
    bool has_text_relocations() const { return text_relocations_; }
    // Whether a segment is code or constants that nobody reads or runs before constructors are
    // called: it has none of the linker's tables, and no function that the linker calls
    // (STT_GNU_IFUNC).
    bool is_for_later(const segment& part) const;

    // Where what has to be called after loading is: one function (DT_INIT; address 0: there is
    // none), then an array of pointers to others (DT_INIT_ARRAY).
    std::uintptr_t first_constructor() const { return first_constructor_; }
    range constructors() const { return constructors_; }
    // What hides these from the linker, and those to be called at the end of the process.
    std::vector<patch> hide_constructors_and_destructors() const;
    // Defined as STB_GNU_UNIQUE: the linker has one of each name for the whole process.
    struct unique_symbol {
        std::size_t index;  // in the table of symbols
        std::string_view name;
        std::uintptr_t address;  // from where the object is loaded
    };
    std::vector<unique_symbol> unique_symbols() const;
    // What turns them into ordinary global ones.
    std::vector<patch> make_unique_symbols_global() const;
    // What makes `from`, as a name of this or of a needed file, into `to` of the same length.
    std::vector<patch> rename(std::string_view from, std::string_view to) const;

 private:
    template <class T>
    const T* at(std::size_t offset, std::size_t count = 1) const;
    std::size_t offset_of(std::uint64_t address, std::size_t size) const;
    std::string_view text(std::uint64_t index) const;
    std::size_t symbol_count() const;
    std::span<const ElfW(Sym)> symbols(std::size_t& offset) const;
    void read_life(const ElfW(Dyn) & entry, std::size_t offset);
    void read_dynamic(std::size_t offset, std::size_t size);
    void read_table(const ElfW(Dyn) & entry);
    void look_for_resolvers();

    std::span<const std::byte> bytes_;
    std::vector<segment> segments_;
    range closed_;
    std::uintptr_t first_constructor_ = 0;
    range constructors_;
    std::vector<std::size_t> hidden_;  // entries of the dynamic section, in the file
    std::size_t strings_ = 0;          // of .dynstr, in the file
    std::size_t strings_size_ = 0;
    std::uint64_t symbols_ = 0;  // addresses; 0: there is none
    std::uint64_t hash_ = 0;
    std::uint64_t gnu_hash_ = 0;
    std::uint64_t versions_needed_ = 0;
    std::vector<std::uint64_t> names_;  // indexes into .dynstr of soname and needed
    std::string_view soname_;
    std::vector<std::string_view> needed_;
    std::vector<std::string_view> search_path_;
    bool inherited_ = false;
    bool text_relocations_ = false;
    // Of the linker's tables: where each begins, in the file, and those of relocations.
    std::vector<std::size_t> tables_;
    std::vector<std::uint64_t> table_addresses_;
    range relocations_, plt_relocations_;
    bool has_resolvers_ = false;  // functions that the linker calls
};

}  // namespace allcores::interpreter
