# worker.sh NAME SECONDS END: notes its start where a second one of its name
# would be seen, lives for a moment, and ends as its process id says, or by a
# signal.
name=$1 books=/run/books
mkdir $books/$name.alive || echo $$ >>$books/$name.doubles
echo "$HAM_INVOCATION $$" >>$books/$name.starts
[ "$2" = 0 ] || sleep "$2"
rmdir $books/$name.alive
[ "$3" = code ] || kill -s "$3" $$
exit $(($$ % 251))
