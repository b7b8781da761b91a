# What short-lived entities have written about themselves, and what ham has said
# of them, tell one story.
. /guest/words.sh

starts() { wc -l </run/books/"$1".starts; }
goes_on() { [ "$(starts "$1")" -gt "$2" ]; }
for name in quick short killed; do
    check "books: $name goes on" within goes_on $name "$(starts $name)"
done
hamctl stop quick short killed
for name in quick short killed; do
    # The last ends may still be on their way to the file.
    agrees() {
        [ ! -e /run/books/$name.doubles ] \
            && awk -v name=$name -f /guest/books.awk /run/books/$name.starts \
                /run/books/events >/run/books/verdict
    }
    check "books: $name was started once at a time, and each end is known" within agrees
    cat /run/books/verdict
done
