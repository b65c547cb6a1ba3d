// Relocations of a loaded object, applied once more.
#include "interpreter/image_binding.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "interpreter/elf_file.h"
#include "interpreter/image_file.h"

namespace allcores::interpreter {
namespace {

#if defined(__x86_64__)
constexpr std::uint64_t binds_address = R_X86_64_64;  // with something added to it
constexpr bool binds_function(std::uint64_t type) {
    return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64;
}
#else
constexpr std::uint64_t binds_address = R_AARCH64_ABS64;
constexpr bool binds_function(std::uint64_t type) {
    return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_ABS64;
}
#endif

std::uintptr_t page_size() {
    return static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
}

// A table of the dynamic section. glibc has relocated the addresses there, other C libraries have
// not.
struct tables {
    const ElfW(Sym) * symbols = nullptr;
    const char* strings = nullptr;
    std::span<const ElfW(Rela)> relocations[2];

    explicit tables(const link_map& object) {
        const auto pointer = [&](const ElfW(Dyn) & entry) {
            const auto address = entry.d_un.d_ptr;
            return address < object.l_addr ? address + object.l_addr : address;
        };
        const ElfW(Rela) * starts[2] = {};
        std::size_t sizes[2] = {};
        for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; entry++) {
            switch (entry->d_tag) {
                case DT_SYMTAB:
                    symbols = reinterpret_cast<const ElfW(Sym)*>(pointer(*entry));
                    break;
                case DT_STRTAB:
                    strings = reinterpret_cast<const char*>(pointer(*entry));
                    break;
                case DT_JMPREL:
                    starts[0] = reinterpret_cast<const ElfW(Rela)*>(pointer(*entry));
                    break;
                case DT_RELA:
                    starts[1] = reinterpret_cast<const ElfW(Rela)*>(pointer(*entry));
                    break;
                case DT_PLTRELSZ:
                    sizes[0] = entry->d_un.d_val;
                    break;
                case DT_RELASZ:
                    sizes[1] = entry->d_un.d_val;
                    break;
                default:
                    break;
            }
        }
        for (int i = 0; i < 2; i++)
            if (starts[i] != nullptr) relocations[i] = {starts[i], sizes[i] / sizeof(ElfW(Rela))};
    }
};

// The pages that the linker closes after relocating.
class closed_pages {
 public:
    closed_pages(const link_map& object, elf_file::range range)
        : start_((object.l_addr + range.address) & ~(page_size() - 1)),
          end_((object.l_addr + range.address + range.size) & ~(page_size() - 1)) {}
    closed_pages(const closed_pages&) = delete;
    closed_pages& operator=(const closed_pages&) = delete;
    ~closed_pages() {
        if (open_) protect(PROT_READ);
    }
    // To be called before each write.
    void open_for(std::uintptr_t address) {
        if (open_ || address < start_ || address >= end_) return;
        if (!protect(PROT_READ | PROT_WRITE))
            throw std::system_error(errno, std::generic_category(), "mprotect");
        open_ = true;
    }

 private:
    bool protect(int protection) const {
        return mprotect(reinterpret_cast<void*>(start_), end_ - start_, protection) == 0;
    }
    const std::uintptr_t start_;
    const std::uintptr_t end_;
    bool open_ = false;
};

}  // namespace

bool imports_any(const link_map& object, std::span<const char* const> names) {
    const tables all(object);
    if (all.symbols == nullptr || all.strings == nullptr) return false;
    for (const auto& relocations : all.relocations) {
        for (const ElfW(Rela) & relocation : relocations) {
            const ElfW(Sym) & symbol = all.symbols[ELF64_R_SYM(relocation.r_info)];
            if (symbol.st_shndx != SHN_UNDEF) continue;
            const std::string_view name = all.strings + symbol.st_name;
            if (std::ranges::find(names, name) != names.end()) return true;
        }
    }
    return false;
}

std::size_t bind_symbols(const link_map& object, const elf_file& parts, const chooser& choose) {
    const tables all(object);
    if (all.symbols == nullptr || all.strings == nullptr) return 0;
    closed_pages pages(object, parts.closed_after_relocation());
    std::size_t bound = 0;
    for (const auto& relocations : all.relocations) {
        for (const ElfW(Rela) & relocation : relocations) {
            const std::uint64_t type = ELF64_R_TYPE(relocation.r_info);
            const std::size_t index = ELF64_R_SYM(relocation.r_info);
            if (!binds_function(type) || index == 0) continue;
            const ElfW(Sym) & symbol = all.symbols[index];
            const bool defined = symbol.st_shndx != SHN_UNDEF;
            // Its address is what its resolver returned.
            if (defined && ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC) continue;
            const std::uintptr_t place = object.l_addr + relocation.r_offset;
            const std::uintptr_t addend =
                type == binds_address ? static_cast<std::uintptr_t>(relocation.r_addend) : 0;
            const std::uintptr_t now = *reinterpret_cast<const std::uintptr_t*>(place) - addend;
            void* target = choose({
                .name = all.strings + symbol.st_name,
                .index = index,
                .own = defined ? reinterpret_cast<void*>(object.l_addr + symbol.st_value) : nullptr,
                .now = reinterpret_cast<void*>(now),
            });
            if (target == nullptr || target == reinterpret_cast<void*>(now)) continue;
            pages.open_for(place);
            *reinterpret_cast<std::uintptr_t*>(place) =
                reinterpret_cast<std::uintptr_t>(target) + addend;
            bound++;
        }
    }
    return bound;
}

char* name_after(link_map& object, const std::string& original) {
    const auto path = std::filesystem::absolute(original);
    const std::string name = path.parent_path().string() + "/./" + path.filename().string();
    // The linker frees the new one.
    char* own = strdup(name.c_str());
    return own == nullptr ? nullptr : std::exchange(object.l_name, own);
}

void share_constants(const link_map& object, const mapped_file& original, const elf_file& parts,
                     std::span<const elf_file::patch> patches, image_file& copy) {
    if (parts.has_text_relocations()) return;
    const std::uintptr_t page = page_size();
    for (const auto& part : parts.segments()) {
        // The linker maps whole pages; those at the ends may hold a part of another segment too.
        const std::size_t first = part.offset & ~(page - 1);
        const std::size_t last = (part.offset + part.size + page - 1) & ~(page - 1);
        const bool patched = std::ranges::any_of(patches, [&](const elf_file::patch& patch) {
            return patch.offset >= first && patch.offset < last;
        });
        if (part.writable || patched || part.size == 0) {
            copy.fill(original, parts, part);
            continue;
        }
        const int protection = PROT_READ | (part.executable ? PROT_EXEC : 0);
        void* place = reinterpret_cast<void*>((object.l_addr + part.address) & ~(page - 1));
        if (mmap(place, part.offset + part.size - first, protection, MAP_PRIVATE | MAP_FIXED,
                 original.descriptor(), static_cast<off_t>(first)) == MAP_FAILED) {
            copy.fill(original, parts, part);
            continue;
        }
        const std::size_t inner_first = (part.offset + page - 1) & ~(page - 1);
        const std::size_t inner_last = (part.offset + part.size) & ~(page - 1);
        if (inner_last > inner_first) copy.discard(inner_first, inner_last - inner_first);
    }
}

}  // namespace allcores::interpreter
