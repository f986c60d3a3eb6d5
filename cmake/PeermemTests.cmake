# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test groups. A group is one ctest test that runs many programs. Each prints
# TAP: a plan "1..N", N points "ok" or "not ok" ("ok 3 - name # SKIP reason"),
# and exits 1 if one failed, else 0. A program that cannot run at all prints
# "1..0 # SKIP reason" and exits 4. What it prints beside that is shown as
# comment. The group's name is also its label: ./run test NAME runs it.
#
#   peermem_add_vm_group(NAME verbs
#       [LANES plain debug]     kernels to run on: the distribution's (plain),
#                               that of tests/debug/debug.config, that of
#                               kcsan.config; default: plain and debug
#       [VM --stock --smp 4]    options of "./run vm"
#       [TIMEOUT 900]           seconds for all; default 600. On other kernels
#                               than the plain one, four times as long
#       [EACH 120]              seconds for one program; default 300
#       [MACHINE hostile]       in the short form of all tests, in one machine with
#                               others that say the same, in order of definition
#       [SHORT "${dir}/mr_data"]  what is run of it then on other kernels than
#                               the plain one; default: nothing. All in one
#                               machine, but for
#       [ALONE]                 what does not bear others
#       [QUICK "${dir}/soak 8"] what is run of it then on the plain kernel;
#                               default: all
#       [LONG]                  nothing of it is run then
#       [WAITS]                 mostly it does, and so may run beside another
#       COMMANDS "${dir}/mr_data --odd" "python3 ${dir}/x.py")
#   boots one machine and runs the commands in it one after the other, as root,
#   in the source folder. The machine itself is one more point: its kernel log
#   must be clean.
#
#   peermem_add_host_group(NAME static [LANES ...] [TIMEOUT S] [EACH S]
#       COMMANDS ...)
#   runs them here; default: only with the plain lane. [SHORT] and [LONG] as above,
#   in every lane; [BUSY]: not beside another.
#
#   What is in the short form of all tests has the label "short".
#
#   peermem_add_harness_test(mr_test mr_test.c more.c)
#   is a program of C tests, written on the kernel's own kselftest_harness.h.

set(PEERMEM_TAP ${PROJECT_SOURCE_DIR}/tests/tap.py)
set(PEERMEM_COUNTS ${PROJECT_BINARY_DIR}/results)

# A kernel that looks at everything takes its time.
set(PEERMEM_SLOWNESS 1)
if(NOT PEERMEM_LANE STREQUAL plain)
	set(PEERMEM_SLOWNESS 4)
endif()

# A ctest test: ${before} is what tap.py starts for it.
function(peermem_add_test name label timeout each before commands)
	math(EXPR timeout "${timeout} * ${PEERMEM_SLOWNESS}")
	math(EXPR each "${each} * ${PEERMEM_SLOWNESS}")
	string(REPLACE "@TIMEOUT@" ${timeout} before "${before}")
	set(list ${PROJECT_BINARY_DIR}/tests/${name}.list)
	list(JOIN commands "\n" text)
	file(GENERATE OUTPUT ${list} CONTENT "${text}\n")
	add_test(NAME ${name}
		COMMAND ${PEERMEM_TAP} check ${name}
			${PEERMEM_COUNTS}/${name}.counts ${before}
			${PEERMEM_TAP} run --timeout ${each} ${list}
		WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
	math(EXPR limit "${timeout} + 120")
	set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${limit}
		ENVIRONMENT "PEERMEM_BUILD=${PROJECT_BINARY_DIR}")
endfunction()

# A machine of the plain lane has two processors to do something with; on other
# kernels most of the time is booting and looking for leaks, which one does.
function(peermem_needs_both name)
	if(PEERMEM_LANE STREQUAL plain)
		set_tests_properties(${name} PROPERTIES PROCESSORS 2)
	endif()
endfunction()

# In the machine that runs it: what vm.sh gets.
function(peermem_add_machine_test name label timeout each options commands)
	peermem_add_test(${name} ${label} ${timeout} ${each}
		"--vm;--;${PROJECT_SOURCE_DIR}/tests/vm/vm.sh;--timeout;@TIMEOUT@;\
--keep;${PEERMEM_COUNTS}/${name};${options};--" "${commands}")
endfunction()

# Sets arg_* for the two below, and arg_SKIP if the lane has no such group. Not
# PARSE_ARGV: an empty VM is to stay away.
macro(peermem_parse_group lanes)
	cmake_parse_arguments(arg "LONG;ALONE;WAITS;BUSY" "NAME;TIMEOUT;EACH;MACHINE"
		"LANES;VM;COMMANDS;SHORT;QUICK" ${ARGN})
	if(NOT arg_LANES)
		set(arg_LANES ${lanes})
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 600)
	endif()
	if(NOT arg_EACH)
		set(arg_EACH 300)
	endif()
	set(arg_SKIP TRUE)
	if(PEERMEM_LANE IN_LIST arg_LANES)
		set(arg_SKIP FALSE)
	endif()
endmacro()

function(peermem_add_vm_group)
	peermem_parse_group("plain;debug" ${ARGN})
	if(arg_SKIP)
		return()
	endif()
	peermem_add_machine_test(${arg_NAME} ${arg_NAME} ${arg_TIMEOUT} ${arg_EACH}
		"${arg_VM}" "${arg_COMMANDS}")
	if(NOT arg_WAITS)
		peermem_needs_both(${arg_NAME})
	endif()
	if(PEERMEM_LANE STREQUAL plain AND NOT arg_LONG)
		set(arg_SHORT ${arg_COMMANDS})
		if(arg_QUICK)
			set(arg_SHORT ${arg_QUICK})
		endif()
	endif()
	if(NOT arg_SHORT)
		return()
	endif()
	if(NOT PEERMEM_LANE STREQUAL plain AND NOT arg_ALONE)
		set(arg_MACHINE shared)
	elseif(NOT arg_MACHINE)
		set(arg_MACHINE ${arg_NAME})
	endif()
	set(key PEERMEM_MACHINE_${arg_MACHINE})
	set_property(GLOBAL APPEND PROPERTY PEERMEM_MACHINES ${arg_MACHINE})
	set_property(GLOBAL APPEND PROPERTY ${key}_COMMANDS ${arg_SHORT})
	set_property(GLOBAL APPEND PROPERTY ${key}_TIMEOUTS ${arg_TIMEOUT})
	set_property(GLOBAL APPEND PROPERTY ${key}_EACH ${arg_EACH})
	set_property(GLOBAL APPEND PROPERTY ${key}_VM ${arg_VM})
	if(NOT arg_WAITS)
		set_property(GLOBAL PROPERTY ${key}_BUSY TRUE)
	endif()
endfunction()

function(peermem_add_host_group)
	peermem_parse_group(plain ${ARGN})
	if(arg_SKIP)
		return()
	endif()
	set(label ${arg_NAME})
	if(NOT arg_LONG AND NOT arg_SHORT)
		list(APPEND label short)
	endif()
	peermem_add_test(${arg_NAME} "${label}" ${arg_TIMEOUT} ${arg_EACH} "--"
		"${arg_COMMANDS}")
	if(arg_SHORT)
		peermem_add_test(short-${arg_NAME} short ${arg_TIMEOUT} ${arg_EACH}
			"--" "${arg_SHORT}")
	endif()
	if(arg_BUSY)
		peermem_needs_both(${arg_NAME})
	endif()
	if(arg_BUSY AND arg_SHORT)
		peermem_needs_both(short-${arg_NAME})
	endif()
endfunction()

# The machines that groups share in the short form. On other kernels than the
# plain one two of them run side by side, with a processor each.
function(peermem_add_machines)
	get_property(machines GLOBAL PROPERTY PEERMEM_MACHINES)
	list(REMOVE_DUPLICATES machines)
	foreach(machine ${machines})
		set(key PEERMEM_MACHINE_${machine})
		get_property(commands GLOBAL PROPERTY ${key}_COMMANDS)
		get_property(timeouts GLOBAL PROPERTY ${key}_TIMEOUTS)
		get_property(each GLOBAL PROPERTY ${key}_EACH)
		get_property(options GLOBAL PROPERTY ${key}_VM)
		list(JOIN timeouts " + " timeout)
		math(EXPR timeout "${timeout}")
		list(SORT each COMPARE NATURAL ORDER DESCENDING)
		list(GET each 0 each)
		if(NOT PEERMEM_LANE STREQUAL plain)
			list(PREPEND options --smp 1)
		endif()
		peermem_add_machine_test(short-${machine} short ${timeout} ${each}
			"${options}" "${commands}")
		get_property(busy GLOBAL PROPERTY ${key}_BUSY)
		if(busy)
			peermem_needs_both(short-${machine})
		endif()
	endforeach()
endfunction()

function(peermem_add_harness_test target)
	add_executable(${target} ${ARGN})
	add_dependencies(${target} linux-source)
	target_include_directories(${target} SYSTEM PRIVATE
		${PEERMEM_LINUX}/tools/testing/selftests)
	target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
	# The harness leaves its own parameters unused.
	target_compile_options(${target} PRIVATE -Wno-unused-parameter)
endfunction()
