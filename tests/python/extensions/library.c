// A library with a counter. NAME: the function that counts. CALLS: one of another library that it
// counts with, if any.
#ifdef CALLS
extern int CALLS(void);
#endif

int NAME(void) {
    static int counter;
#ifdef CALLS
    return 10 * CALLS() + ++counter;
#else
    return ++counter;
#endif
}
