# SPDX-License-Identifier: MIT
# Turns the files named on the command line, in order, into a C array of their texts. A
# file's place in the array is the user_version it leads to.
BEGIN {
    print "/* Made from the SQL files here by embed.awk. */"
    print "#include \"storage/sqlite/migrate.h\"\n"
    print "const char *const migrate_steps[] = {"
}
FNR == 1 && NR > 1 { print "    ," }
/^[ \t]*--/ { next }
{
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    print "    \"" $0 "\\n\""
}
END { print "    , NULL};" }
