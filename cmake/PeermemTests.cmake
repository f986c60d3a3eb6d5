# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test groups. A group is one ctest test that runs several programs. The name of
# the group is also its label: "./run test NAME" runs it.
#
# Each program prints TAP: a plan "1..N" and N test cases "ok" or "not ok" ("ok 3
# - name # SKIP reason"). It exits 1 if a test case failed, else 0. A program that
# cannot run at all prints "1..0 # SKIP reason" and exits 4. All other output is
# shown as comments.
#
#   peermem_add_vm_group(NAME verbs
#       [CONFIGS plain debug]   kernel configurations to run on: plain (the
#                               distribution's), debug (tests/debug/debug.config),
#                               kcsan (kcsan.config). Default: plain and debug
#       [VM --stock --smp 4]    options of "./run vm"
#       [TIMEOUT 900]           seconds for the group; default 600. Multiplied by
#                               4 on configurations other than plain
#       [EACH 120]              seconds for one program; default 300. Likewise
#       [MACHINE hostile]       quick run: groups with the same MACHINE share one
#                               virtual machine, in the order of definition
#       [SHORT "${dir}/mr_data"]  quick run on configurations other than plain:
#                               the commands to run; default: none. All groups
#                               share one machine there, except those with
#       [ALONE]                 a machine of its own
#       [QUICK "${dir}/soak 8"] quick run on plain: the commands to run; default:
#                               COMMANDS
#       [LONG]                  not part of the quick run
#       [BOTH]                  quick run on plain: the machine has two processors.
#                               Others have one, which takes a third less time
#       COMMANDS "${dir}/mr_data --odd" "python3 ${dir}/x.py")
#   Boots one virtual machine and runs the commands in it one after the other, as
#   root, in the source folder. The machine itself is one more test case: it fails
#   if the kernel log contains a kernel warning.
#
#   peermem_add_host_group(NAME static [CONFIGS ...] [TIMEOUT S] [EACH S]
#       COMMANDS ...)
#   Runs the commands on the host. Default: in the plain configuration only.
#   [SHORT "..."] commands of the quick run, in every configuration; [LONG] not
#   part of the quick run; [BUSY] no other test runs at the same time. There are no such
#   groups if programs are built for another architecture than that of the host.
#
#   The ctest tests of the quick run have the label "short".
#
#   peermem_add_harness_test(mr_test mr_test.c more.c)
#   A program of tests in C, whose first file uses the kernel's kselftest_harness.h.

set(PEERMEM_TAP ${PROJECT_SOURCE_DIR}/tests/tap.py)
set(PEERMEM_COUNTS ${PROJECT_BINARY_DIR}/results)

# Factor for all time limits: kernels with debug options are slower, and so are other
# architectures, which are always emulated.
set(PEERMEM_SLOWNESS 1)
if(NOT PEERMEM_CONFIG STREQUAL plain)
	set(PEERMEM_SLOWNESS 4)
elseif(CMAKE_CROSSCOMPILING)
	set(PEERMEM_SLOWNESS 3)
endif()

# Adds a ctest test. ${before} are the arguments of "tap.py check" and the
# command that runs "tap.py run", such as vm.sh.
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

# In the plain configuration, a test that is BUSY runs alone. In the others, most of the
# time is spent in booting and in scanning for leaks, which use one processor.
function(peermem_needs_both name)
	if(PEERMEM_CONFIG STREQUAL plain)
		set_tests_properties(${name} PROPERTIES PROCESSORS 2)
	endif()
endfunction()

# In the plain configuration, one virtual machine with two processors runs at a time.
# While its tests wait, those of a machine with one processor or of the host go on.
function(peermem_needs_machine name)
	if(PEERMEM_CONFIG STREQUAL plain)
		set_tests_properties(${name} PROPERTIES RESOURCE_LOCK machine)
	endif()
endfunction()

# Adds a ctest test that runs in a virtual machine. ${options} are for vm.sh.
function(peermem_add_machine_test name label timeout each options commands)
	peermem_add_test(${name} ${label} ${timeout} ${each}
		"--vm;--;${PROJECT_SOURCE_DIR}/tests/vm/vm.sh;--timeout;@TIMEOUT@;\
--results;${PEERMEM_COUNTS}/${name};${options};--" "${commands}")
endfunction()

# Parses the arguments of the next two functions into arg_*. Sets arg_SKIP if the
# group does not run in this kernel configuration. PARSE_ARGV is not used, because
# it would keep an empty VM argument.
macro(peermem_parse_group configs)
	cmake_parse_arguments(arg "LONG;ALONE;BOTH;BUSY" "NAME;TIMEOUT;EACH;MACHINE"
		"CONFIGS;VM;COMMANDS;SHORT;QUICK" ${ARGN})
	if(NOT arg_CONFIGS)
		set(arg_CONFIGS ${configs})
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 600)
	endif()
	if(NOT arg_EACH)
		set(arg_EACH 300)
	endif()
	set(arg_SKIP TRUE)
	if(PEERMEM_CONFIG IN_LIST arg_CONFIGS)
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
	peermem_needs_machine(${arg_NAME})
	if(PEERMEM_CONFIG STREQUAL plain AND NOT arg_LONG)
		set(arg_SHORT ${arg_COMMANDS})
		if(arg_QUICK)
			set(arg_SHORT ${arg_QUICK})
		endif()
	endif()
	if(NOT arg_SHORT)
		return()
	endif()
	if(NOT PEERMEM_CONFIG STREQUAL plain AND NOT arg_ALONE)
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
	if(PEERMEM_CONFIG STREQUAL plain AND arg_BOTH)
		set_property(GLOBAL PROPERTY ${key}_BOTH TRUE)
	endif()
endfunction()

function(peermem_add_host_group)
	peermem_parse_group(plain ${ARGN})
	if(arg_SKIP OR CMAKE_CROSSCOMPILING)
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

# Adds the virtual machines that groups share in the quick run. Two of them run at the
# same time.
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
		get_property(both GLOBAL PROPERTY ${key}_BOTH)
		if(NOT both)
			list(PREPEND options --smp 1)
		endif()
		peermem_add_machine_test(short-${machine} short ${timeout} ${each}
			"${options}" "${commands}")
		if(both)
			peermem_needs_machine(short-${machine})
			math(EXPR timeout "${timeout} + 10000")
		endif()
		# Those with two processors first, one after the other, and the longest first:
		# the host is busy until the end.
		set_tests_properties(short-${machine} PROPERTIES COST ${timeout})
	endforeach()
endfunction()

function(peermem_add_harness_test target)
	add_executable(${target} ${ARGN})
	add_dependencies(${target} linux-source)
	target_include_directories(${target} SYSTEM PRIVATE
		${PEERMEM_LINUX}/tools/testing/selftests)
	target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
	# The harness has parameters that it does not use.
	target_compile_options(${target} PRIVATE -Wno-unused-parameter)
	# Optimizing its macros takes two thirds of the compiler's time.
	list(GET ARGN 0 tests)
	set_source_files_properties(${tests} PROPERTIES COMPILE_OPTIONS -O0)
endfunction()
