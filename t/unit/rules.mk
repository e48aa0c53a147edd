# The objects of a unit test and the test itself, for t/lib/unit: a source that
# several tests have is compiled once.
#
#   TEST       the test's program, below OUT
#   SOURCES    what it is made of
#   OUT        the directory of the objects: another for each COMPILE
#   COMPILE    the compiler with its flags
#   LINK       libraries

objects := $(patsubst %,$(OUT)/%.o,$(SOURCES))

.DELETE_ON_ERROR:

$(TEST): $(objects)
	$(COMPILE) -o $@ $^ $(LINK)

$(OUT)/%.o: %
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

-include $(objects:.o=.d)
