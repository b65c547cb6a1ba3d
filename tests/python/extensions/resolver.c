// A library whose functions the dynamic linker chooses by calling others of it (STT_GNU_IFUNC), or
// without RESOLVERS one that has the same without; with constants, a constructor and a variable.
static const char words[][8] = {"none", "one", "two", "three"};
static int calls;
static int started;

__attribute__((constructor)) static void start(void) {
    started = 1;
}

static int chosen(int number) {
    return words[number][0] + 100 * started + 1000 * ++calls;
}

#ifdef RESOLVERS
typedef int function(int);
static function* resolve(void) {
    return words[0][0] == 'n' ? chosen : (function*)0;
}
int compute(int number) __attribute__((ifunc("resolve")));
static int hidden(int number) __attribute__((ifunc("resolve")));
#else
int compute(int number) {
    return chosen(number);
}
static int hidden(int number) {
    return chosen(number);
}
#endif

int both(int number) {
    return compute(number) + hidden(number);
}
