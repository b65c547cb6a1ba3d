#include "interpreter/image_libc_results.h"

#include <dlfcn.h>
#include <grp.h>
#include <mntent.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pthread.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <cwchar>
#include <unordered_map>
#include <utility>

namespace allcores::interpreter {
namespace {

// A result of the kind that comes in two parts: a structure, and the texts that it points to.
template <class Result>
struct with_texts {
    Result result;
    char* texts;
    std::size_t size;
};

// A thread's results. Made at the first call, as most threads have none.
struct results {
    tm time;
    char time_text[64];
    with_texts<passwd> user, file_user;
    with_texts<group> of_users, file_group;
    with_texts<hostent> host;
    with_texts<netent> network;
    with_texts<servent> service;
    with_texts<protoent> protocol;
    with_texts<mntent> mount;
    char terminal[256];
    char pseudo_terminal[256];
    char login[LOGIN_NAME_MAX];
    char number[400];
    char base_64[8];
    char ethernet_text[20];
    ether_addr ethernet;
    mbstate_t to_wide, from_wide, length;
    void* crypted;  // crypt_r's state
};
// Nothing here has a destructor: threads come here while their thread-locals are being destroyed.
thread_local results* own = nullptr;

void drop(void* argument) noexcept {
    auto* gone = static_cast<results*>(argument);
    own = nullptr;
    for (char* texts : {gone->user.texts, gone->file_user.texts, gone->of_users.texts,
                        gone->file_group.texts, gone->host.texts, gone->network.texts,
                        gone->service.texts, gone->protocol.texts, gone->mount.texts}) {
        std::free(texts);
    }
    std::free(gone->crypted);
    std::free(gone);
}

// Null, with errno, when there is no memory.
results* mine() noexcept {
    static const auto end_of_thread = [] {
        pthread_key_t made;
        return std::pair(pthread_key_create(&made, drop) == 0, made);
    }();
    if (own != nullptr) return own;
    auto* made = static_cast<results*>(std::calloc(1, sizeof(results)));
    if (made == nullptr) return nullptr;
    if (end_of_thread.first) pthread_setspecific(end_of_thread.second, made);
    own = made;
    return made;
}

template <auto Member>
auto* part() noexcept {
    results* all = mine();
    return all == nullptr ? nullptr : &(all->*Member);
}

bool grow(char*& texts, std::size_t& size) noexcept {
    const std::size_t wanted = size == 0 ? 1024 : 2 * size;
    auto* larger = static_cast<char*>(std::realloc(texts, wanted));
    if (larger == nullptr) return false;
    texts = larger;
    size = wanted;
    return true;
}

// Calls a function that says ERANGE when the texts are too long, until it has room enough. Such a
// function returns its error; those of files and of hosts have errno too.
template <auto Member, class Function>
auto* find(const Function& function) noexcept {
    auto* place = part<Member>();
    using result = decltype(&place->result);
    if (place == nullptr || (place->size == 0 && !grow(place->texts, place->size)))
        return static_cast<result>(nullptr);
    for (;;) {
        result found = nullptr;
        const int error = function(&place->result, place->texts, place->size, &found);
        if (error == 0 && found != nullptr) return found;
        if (error != ERANGE) {
            // Nothing found is no error.
            if (error != 0) errno = error;
            return static_cast<result>(nullptr);
        }
        if (!grow(place->texts, place->size)) return static_cast<result>(nullptr);
    }
}

tm* make_utc(const time_t* time) noexcept {
    tm* place = part<&results::time>();
    return place == nullptr ? nullptr : gmtime_r(time, place);
}
tm* make_local(const time_t* time) noexcept {
    tzset();  // as localtime() must, and localtime_r() does the first time only
    tm* place = part<&results::time>();
    return place == nullptr ? nullptr : localtime_r(time, place);
}
char* write_time(const tm* time) noexcept {
    auto* place = part<&results::time_text>();
    // NOLINTNEXTLINE(bugprone-unsafe-functions): it is what was asked for.
    return place == nullptr ? nullptr : asctime_r(time, *place);
}
char* write_local(const time_t* time) noexcept {
    const tm* parts = make_local(time);
    return parts == nullptr ? nullptr : write_time(parts);
}

passwd* user_by_name(const char* name) noexcept {
    return find<&results::user>([&](auto... place) { return getpwnam_r(name, place...); });
}
passwd* user_by_number(uid_t number) noexcept {
    return find<&results::user>([&](auto... place) { return getpwuid_r(number, place...); });
}
passwd* next_user() noexcept {
    return find<&results::user>([](auto... place) { return getpwent_r(place...); });
}
passwd* next_user_of_file(FILE* file) noexcept {
    return find<&results::file_user>([&](auto... place) { return fgetpwent_r(file, place...); });
}
group* group_by_name(const char* name) noexcept {
    return find<&results::of_users>([&](auto... place) { return getgrnam_r(name, place...); });
}
group* group_by_number(gid_t number) noexcept {
    return find<&results::of_users>([&](auto... place) { return getgrgid_r(number, place...); });
}
group* next_group() noexcept {
    return find<&results::of_users>([](auto... place) { return getgrent_r(place...); });
}
group* next_group_of_file(FILE* file) noexcept {
    return find<&results::file_group>([&](auto... place) { return fgetgrent_r(file, place...); });
}

hostent* host_by_name(const char* name) noexcept {
    return find<&results::host>(
        [&](auto... place) { return gethostbyname_r(name, place..., &h_errno); });
}
hostent* host_by_name_of(const char* name, int family) noexcept {
    return find<&results::host>(
        [&](auto... place) { return gethostbyname2_r(name, family, place..., &h_errno); });
}
hostent* host_by_address(const void* address, socklen_t size, int family) noexcept {
    return find<&results::host>(
        [&](auto... place) { return gethostbyaddr_r(address, size, family, place..., &h_errno); });
}
netent* network_by_name(const char* name) noexcept {
    return find<&results::network>(
        [&](auto... place) { return getnetbyname_r(name, place..., &h_errno); });
}
netent* network_by_address(std::uint32_t address, int family) noexcept {
    return find<&results::network>(
        [&](auto... place) { return getnetbyaddr_r(address, family, place..., &h_errno); });
}
servent* service_by_name(const char* name, const char* protocol) noexcept {
    return find<&results::service>(
        [&](auto... place) { return getservbyname_r(name, protocol, place...); });
}
servent* service_by_port(int port, const char* protocol) noexcept {
    return find<&results::service>(
        [&](auto... place) { return getservbyport_r(port, protocol, place...); });
}
protoent* protocol_by_name(const char* name) noexcept {
    return find<&results::protocol>(
        [&](auto... place) { return getprotobyname_r(name, place...); });
}
protoent* protocol_by_number(int number) noexcept {
    return find<&results::protocol>(
        [&](auto... place) { return getprotobynumber_r(number, place...); });
}

// A line that is too long is cut off: there is no way to ask for it again.
mntent* next_mount(FILE* file) noexcept {
    auto* place = part<&results::mount>();
    if (place == nullptr) return nullptr;
    while (place->size < 4096)
        if (!grow(place->texts, place->size)) return nullptr;
    return getmntent_r(file, &place->result, place->texts, static_cast<int>(place->size));
}

// The result of a function that fills a buffer and returns its error.
template <class Function>
char* fill(const Function& function, auto* place) noexcept {
    if (place == nullptr) return nullptr;
    const int error = function(*place, sizeof *place);
    if (error == 0) return *place;
    errno = error;
    return nullptr;
}
char* terminal_of(int descriptor) noexcept {
    return fill([&](char* to, std::size_t size) { return ttyname_r(descriptor, to, size); },
                part<&results::terminal>());
}
char* pseudo_terminal_of(int descriptor) noexcept {
    return fill([&](char* to, std::size_t size) { return ptsname_r(descriptor, to, size); },
                part<&results::pseudo_terminal>());
}
char* login_name() noexcept {
    return fill([](char* to, std::size_t size) { return getlogin_r(to, size); },
                part<&results::login>());
}

template <auto Function>
char* write_number(double value, int digits, int* point, int* negative) noexcept {
    auto* place = part<&results::number>();
    if (place == nullptr) return nullptr;
    return Function(value, digits, point, negative, *place, sizeof *place) == 0 ? *place : nullptr;
}

// The six bits of a character each, from the lowest on.
char* write_base_64(long value) noexcept {
    static constexpr char digits[] =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    auto* place = part<&results::base_64>();
    if (place == nullptr) return nullptr;
    char* end = *place;
    for (auto rest = static_cast<std::uint32_t>(value); rest != 0; rest >>= 6)
        *end++ = digits[rest & 63];
    *end = 0;
    return *place;
}

char* write_ethernet(const ether_addr* address) noexcept {
    auto* place = part<&results::ethernet_text>();
    return place == nullptr ? nullptr : ether_ntoa_r(address, *place);
}
ether_addr* read_ethernet(const char* text) noexcept {
    auto* place = part<&results::ethernet>();
    return place == nullptr ? nullptr : ether_aton_r(text, place);
}

// Characters of several bytes, one after the other. No encoding of glibc's locales has states, so
// the first call of each kind, with null, always says 0.
int to_wide(wchar_t* to, const char* text, std::size_t size, mbstate_t* state) noexcept {
    if (state == nullptr) return -1;
    if (text == nullptr) {
        *state = {};
        return 0;
    }
    const std::size_t used = std::mbrtowc(to, text, size, state);
    if (used <= INT_MAX) return static_cast<int>(used);
    *state = {};  // an error, or not all of a character: the next call begins anew
    return -1;
}
int character_to_wide(wchar_t* to, const char* text, std::size_t size) noexcept {
    return to_wide(to, text, size, part<&results::to_wide>());
}
int length_of_character(const char* text, std::size_t size) noexcept {
    return to_wide(nullptr, text, size, part<&results::length>());
}
int character_from_wide(char* to, wchar_t character) noexcept {
    mbstate_t* state = part<&results::from_wide>();
    if (state == nullptr) return -1;
    if (to == nullptr) {
        *state = {};
        return 0;
    }
    return static_cast<int>(std::wcrtomb(to, character, state));
}

// Of a library of its own, which who calls this has loaded. Its state is 32 KiB (libxcrypt) or 128
// (glibc's), of which only what is used takes memory.
constexpr std::size_t crypt_state_size = 160 << 10;

char* crypt_password(const char* password, const char* setting) noexcept {
    using function = char* (*)(const char*, const char*, void*);
    static const auto crypt_into = [] {
        void* library = dlopen("libcrypt.so.1", RTLD_NOW | RTLD_NOLOAD);
        return reinterpret_cast<function>(library == nullptr ? nullptr : dlsym(library, "crypt_r"));
    }();
    results* all = mine();
    if (all != nullptr && all->crypted == nullptr) all->crypted = std::calloc(1, crypt_state_size);
    if (all == nullptr || all->crypted == nullptr || crypt_into == nullptr) {
        errno = crypt_into == nullptr ? ENOSYS : ENOMEM;
        return nullptr;
    }
    return crypt_into(password, setting, all->crypted);
}

template <class Function>
void* as_pointer(Function* function) {
    return reinterpret_cast<void*>(function);
}

}  // namespace

void* libc_result_replacement(std::string_view name) noexcept {
    static const std::unordered_map<std::string_view, void*> all = {
        {"gmtime", as_pointer(make_utc)},
        {"localtime", as_pointer(make_local)},
        {"asctime", as_pointer(write_time)},
        {"ctime", as_pointer(write_local)},
        {"getpwnam", as_pointer(user_by_name)},
        {"getpwuid", as_pointer(user_by_number)},
        {"getpwent", as_pointer(next_user)},
        {"fgetpwent", as_pointer(next_user_of_file)},
        {"getgrnam", as_pointer(group_by_name)},
        {"getgrgid", as_pointer(group_by_number)},
        {"getgrent", as_pointer(next_group)},
        {"fgetgrent", as_pointer(next_group_of_file)},
        {"gethostbyname", as_pointer(host_by_name)},
        {"gethostbyname2", as_pointer(host_by_name_of)},
        {"gethostbyaddr", as_pointer(host_by_address)},
        {"getnetbyname", as_pointer(network_by_name)},
        {"getnetbyaddr", as_pointer(network_by_address)},
        {"getservbyname", as_pointer(service_by_name)},
        {"getservbyport", as_pointer(service_by_port)},
        {"getprotobyname", as_pointer(protocol_by_name)},
        {"getprotobynumber", as_pointer(protocol_by_number)},
        {"getmntent", as_pointer(next_mount)},
        {"ttyname", as_pointer(terminal_of)},
        {"ptsname", as_pointer(pseudo_terminal_of)},
        {"getlogin", as_pointer(login_name)},
        {"ecvt", as_pointer(write_number<ecvt_r>)},
        {"fcvt", as_pointer(write_number<fcvt_r>)},
        {"l64a", as_pointer(write_base_64)},
        {"ether_ntoa", as_pointer(write_ethernet)},
        {"ether_aton", as_pointer(read_ethernet)},
        {"mbtowc", as_pointer(character_to_wide)},
        {"mblen", as_pointer(length_of_character)},
        {"wctomb", as_pointer(character_from_wide)},
        {"crypt", as_pointer(crypt_password)},
    };
    const auto found = all.find(name);
    return found == all.end() ? nullptr : found->second;
}

}  // namespace allcores::interpreter
