// Reading the dynamic section of an ELF file, from its bytes.
#include "interpreter/elf_file.h"

#include <algorithm>
#include <cstring>

namespace allcores::interpreter {
namespace {

#if defined(__x86_64__)
constexpr auto this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr auto this_machine = EM_AARCH64;
#else
constexpr auto this_machine = EM_NONE;  // no file is for it: every extension loads as always
#endif

#if defined(__aarch64__)
constexpr std::uint64_t calls_resolver = R_AARCH64_IRELATIVE;
#else
constexpr std::uint64_t calls_resolver = R_X86_64_IRELATIVE;
#endif

constexpr unsigned gnu_hash_chain_end = 1;

// A tag of the dynamic section that means nothing: in the range for systems, and used by none.
constexpr ElfW(Sxword) unknown_tag = 0x6000'0fff;

std::vector<std::string_view> split(std::string_view list) {
    std::vector<std::string_view> parts;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(':'), list.size());
        if (end > 0) parts.push_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return parts;
}

}  // namespace

template <class T>
const T* elf_file::at(std::size_t offset, std::size_t count) const {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T) ||
        offset % alignof(T) != 0) {
        throw elf_error("a table lies outside of the file");
    }
    return reinterpret_cast<const T*>(bytes_.data() + offset);
}

elf_file::elf_file(std::span<const std::byte> bytes) : bytes_(bytes) {
    const auto& header = *at<ElfW(Ehdr)>(0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) throw elf_error("it is not an ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != this_machine || header.e_type != ET_DYN ||
        header.e_phentsize != sizeof(ElfW(Phdr))) {
        throw elf_error("it is not a shared object for this machine");
    }
    const auto* programs = at<ElfW(Phdr)>(header.e_phoff, header.e_phnum);
    const ElfW(Phdr)* dynamic = nullptr;
    for (const auto& program : std::span(programs, header.e_phnum)) {
        if (program.p_type == PT_DYNAMIC) dynamic = &program;
        if (program.p_type == PT_GNU_RELRO) closed_ = {program.p_vaddr, program.p_memsz};
        // (What unwinds the stack is read when there is an exception.)
        if (program.p_type != PT_LOAD && program.p_type != PT_GNU_EH_FRAME && program.p_filesz != 0)
            tables_.push_back(program.p_offset);
        if (program.p_type != PT_LOAD) continue;
        at<std::byte>(program.p_offset, program.p_filesz);
        segments_.push_back({program.p_vaddr, program.p_offset, program.p_filesz, program.p_memsz,
                             (program.p_flags & PF_W) != 0, (program.p_flags & PF_X) != 0});
    }
    if (dynamic == nullptr) throw elf_error("it has no dynamic section");
    tables_.push_back(0);
    tables_.push_back(header.e_phoff);
    read_dynamic(dynamic->p_offset, dynamic->p_filesz);
    try {
        look_for_resolvers();
    } catch (const elf_error&) {
        has_resolvers_ = true;  // nobody knows
    }
}

bool elf_file::is_for_later(const segment& part) const {
    return !part.writable && !text_relocations_ && !has_resolvers_ &&
           std::ranges::none_of(tables_, [&](std::size_t offset) {
               return offset >= part.offset && offset - part.offset < part.size;
           });
}

// And where its tables are.
void elf_file::look_for_resolvers() {
    for (const std::uint64_t address : table_addresses_) tables_.push_back(offset_of(address, 0));
    std::size_t table = 0;
    for (const ElfW(Sym) & symbol : symbols(table)) {
        if (ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC && symbol.st_shndx != SHN_UNDEF)
            has_resolvers_ = true;
    }
    for (const range& each : {relocations_, plt_relocations_}) {
        if (each.size == 0) continue;
        const std::size_t count = each.size / sizeof(ElfW(Rela));
        const auto* first = at<ElfW(Rela)>(offset_of(each.address, each.size), count);
        for (const ElfW(Rela) & relocation : std::span(first, count)) {
            if (ELF64_R_TYPE(relocation.r_info) == calls_resolver) has_resolvers_ = true;
        }
    }
}

void elf_file::read_dynamic(std::size_t offset, std::size_t size) {
    const std::size_t count = size / sizeof(ElfW(Dyn));
    std::vector<std::uint64_t> needed;
    std::optional<std::uint64_t> soname, rpath, runpath;
    std::uint64_t strings = 0;
    for (const auto& entry : std::span(at<ElfW(Dyn)>(offset, count), count)) {
        const std::uint64_t value = entry.d_un.d_val;
        if (entry.d_tag == DT_NULL) break;
        read_life(entry, offset);
        read_table(entry);
        offset += sizeof entry;
        switch (entry.d_tag) {
            case DT_STRTAB:
                strings = value;
                break;
            case DT_STRSZ:
                strings_size_ = value;
                break;
            case DT_SYMTAB:
                symbols_ = value;
                break;
            case DT_HASH:
                hash_ = value;
                break;
            case DT_GNU_HASH:
                gnu_hash_ = value;
                break;
            case DT_VERNEED:
                versions_needed_ = value;
                break;
            case DT_NEEDED:
                needed.push_back(value);
                break;
            case DT_SONAME:
                soname = value;
                break;
            case DT_RPATH:
                rpath = value;
                break;
            case DT_RUNPATH:
                runpath = value;
                break;
            case DT_TEXTREL:
                text_relocations_ = true;
                break;
            case DT_FLAGS:
                text_relocations_ |= (value & DF_TEXTREL) != 0;
                break;
            default:
                break;
        }
    }
    strings_ = offset_of(strings, strings_size_);
    for (const std::uint64_t index : needed) needed_.push_back(text(index));
    names_ = std::move(needed);
    if (soname) {
        soname_ = text(*soname);
        names_.push_back(*soname);
    }
    if (runpath || rpath) search_path_ = split(text(runpath ? *runpath : *rpath));
    inherited_ = rpath && !runpath;
}

void elf_file::read_table(const ElfW(Dyn) & entry) {
    switch (entry.d_tag) {
        case DT_RELASZ:
            relocations_.size = entry.d_un.d_val;
            return;
        case DT_PLTRELSZ:
            plt_relocations_.size = entry.d_un.d_val;
            return;
        case DT_RELA:
            relocations_.address = entry.d_un.d_ptr;
            break;
        case DT_JMPREL:
            plt_relocations_.address = entry.d_un.d_ptr;
            break;
        case DT_STRTAB:
        case DT_SYMTAB:
        case DT_HASH:
        case DT_GNU_HASH:
        case DT_VERSYM:
        case DT_VERNEED:
        case DT_VERDEF:
        case DT_RELR:
            break;
        default:
            return;
    }
    table_addresses_.push_back(entry.d_un.d_ptr);
}

// What is called at the start and at the end.
void elf_file::read_life(const ElfW(Dyn) & entry, std::size_t offset) {
    switch (entry.d_tag) {
        case DT_INIT:
            first_constructor_ = entry.d_un.d_ptr;
            break;
        case DT_INIT_ARRAY:
            constructors_.address = entry.d_un.d_ptr;
            break;
        case DT_INIT_ARRAYSZ:
            constructors_.size = entry.d_un.d_val;
            return;
        case DT_FINI:
        case DT_FINI_ARRAY:
            break;
        default:
            return;
    }
    hidden_.push_back(offset);
}

std::vector<elf_file::patch> elf_file::hide_constructors_and_destructors() const {
    const std::string tag(reinterpret_cast<const char*>(&unknown_tag), sizeof unknown_tag);
    std::vector<patch> patches;
    patches.reserve(hidden_.size());
    for (const std::size_t offset : hidden_)
        patches.push_back({offset + offsetof(ElfW(Dyn), d_tag), tag});
    return patches;
}

// Where the file keeps what will be at `address`.
std::size_t elf_file::offset_of(std::uint64_t address, std::size_t size) const {
    for (const segment& part : segments_) {
        if (address >= part.address && address - part.address <= part.size &&
            size <= part.size - (address - part.address)) {
            return part.offset + (address - part.address);
        }
    }
    throw elf_error("a table lies outside of its segments");
}

std::string_view elf_file::text(std::uint64_t index) const {
    if (index >= strings_size_) throw elf_error("a name lies outside of its table");
    const char* start = at<char>(strings_ + index, strings_size_ - index);
    const void* end = std::memchr(start, 0, strings_size_ - index);
    if (end == nullptr) throw elf_error("a name does not end");
    return {start, static_cast<const char*>(end)};
}

// The table of symbols does not say how long it is; the hash tables, of which one is there, do.
std::size_t elf_file::symbol_count() const {
    if (hash_ != 0) return at<std::uint32_t>(offset_of(hash_, 8), 2)[1];
    if (gnu_hash_ == 0) return 0;
    const auto* header = at<std::uint32_t>(offset_of(gnu_hash_, 16), 4);
    const std::size_t bucket_count = header[0], first = header[1], bloom_size = header[2];
    const std::uint64_t buckets_address = gnu_hash_ + 16 + bloom_size * sizeof(ElfW(Addr));
    const auto buckets =
        std::span(at<std::uint32_t>(offset_of(buckets_address, bucket_count * 4), bucket_count),
                  bucket_count);
    std::size_t last = 0;
    for (const std::uint32_t bucket : buckets) last = std::max<std::size_t>(last, bucket);
    if (last < first) return 0;  // it defines nothing
    const std::uint64_t chains_address = buckets_address + bucket_count * 4;
    for (;; last++) {
        const auto at_chain = offset_of(chains_address + (last - first) * 4, 4);
        if ((*at<std::uint32_t>(at_chain) & gnu_hash_chain_end) != 0) return last + 1;
    }
}

// The table of symbols, and where it is in the file.
std::span<const ElfW(Sym)> elf_file::symbols(std::size_t& offset) const {
    const std::size_t count = symbol_count();
    if (count == 0 || symbols_ == 0) return {};
    if (count > bytes_.size() / sizeof(ElfW(Sym))) throw elf_error("its symbols have no end");
    offset = offset_of(symbols_, count * sizeof(ElfW(Sym)));
    return {at<ElfW(Sym)>(offset, count), count};
}

std::vector<elf_file::unique_symbol> elf_file::unique_symbols() const {
    std::vector<unique_symbol> found;
    std::size_t table = 0;
    const auto all = symbols(table);
    for (std::size_t i = 0; i < all.size(); i++) {
        const auto& symbol = all[i];
        // A thread-local one is none that could be bound to another.
        if (ELF64_ST_BIND(symbol.st_info) != STB_GNU_UNIQUE || symbol.st_shndx == SHN_UNDEF ||
            ELF64_ST_TYPE(symbol.st_info) == STT_TLS) {
            continue;
        }
        found.push_back({i, text(symbol.st_name), symbol.st_value});
    }
    return found;
}

std::vector<elf_file::patch> elf_file::make_unique_symbols_global() const {
    std::vector<patch> patches;
    std::size_t table = 0;
    const auto all = symbols(table);
    for (std::size_t i = 0; i < all.size(); i++) {
        const unsigned char info = all[i].st_info;
        if (ELF64_ST_BIND(info) != STB_GNU_UNIQUE) continue;
        const unsigned char global = ELF64_ST_INFO(STB_GLOBAL, ELF64_ST_TYPE(info));
        patches.push_back({table + i * sizeof(ElfW(Sym)) + offsetof(ElfW(Sym), st_info),
                           std::string(1, static_cast<char>(global))});
    }
    return patches;
}

std::vector<elf_file::patch> elf_file::rename(std::string_view from, std::string_view to) const {
    if (from.size() != to.size()) throw elf_error("a name can only change at equal length");
    std::vector<patch> patches;
    const auto add = [&](std::uint64_t index) {
        if (text(index) == from) patches.push_back({strings_ + index, std::string(to)});
    };
    for (const std::uint64_t index : names_) add(index);
    // The versions that it needs name the files they come from once more.
    for (std::uint64_t address = versions_needed_; address != 0;) {
        const auto& entry = *at<ElfW(Verneed)>(offset_of(address, sizeof(ElfW(Verneed))));
        add(entry.vn_file);
        if (entry.vn_next == 0) break;
        address += entry.vn_next;
    }
    return patches;
}

}  // namespace allcores::interpreter
