# Completion of tidetalk for bash, written by scripts/command_pages.sh from the help of the program.
_tidetalk()
{
    local current=${COMP_WORDS[COMP_CWORD]} words='' i
    local settings='--listen= --data-dir= --database-url= --durability= --files-url= --s3-endpoint= --s3-region= --s3-access-key= --s3-secret-key= --s3-secret-key-file= --s3-encryption= --s3-ca-file= --nodes-listen= --nodes-address= --nodes-name= --nodes-lease= --redis-url= --redis-timeout= --cache-memory= --cache-value-max= --shared-memory= --workers= --lua-dir= --scripts= --plugins-dir= --personas= --migrations-dir= --secret-file= --public-url= --trusted-proxies= --cors-origins= --outbound-allow= --outbound-public= --admin-listen= --admin-token= --admin-token-file= --admin-port-life= --demo= --registration= --dev= --token-ttl= --quota-requests-per-minute= --quota-burst= --quota-tokens-per-day= --history-pairs= --tools-rounds= --title-ask-model= --responses-expiry= --drain= --limits-body= --limits-upload= --limits-user-files= --files-types= --files-text-types= --limits-head= --disk-reserve= --limits-connections= --limits-per-address= --limits-head-timeout= --limits-idle-timeout= --limits-body-rate= --limits-script-memory= --limits-script-time= --limits-migration-time= --limits-script-load-time= --limits-reply-memory= --limits-unread= --limits-user-unread= --limits-user-replies= --reload-probation= --reload-probation-errors= --upstream-connect-timeout= --upstream-first-byte-timeout= --upstream-between-timeout= --upstream-total-timeout= --upstream-retries= --upstream-retry-wait= --upstream-retry-after-max= --upstream-retry-after-send= --upstream-balance= --upstream-breaker-failures= --upstream-breaker-window= --upstream-breaker-pause= --upstream-in-flight= --upstream-ca-file= --upstream-proxy= --log-level= --log-format='

    if [ "$COMP_CWORD" -eq 1 ]; then
        words='serve dev check routes reload rollback profile admin new test repl plugin diff migrate backup restore copy secret user queue nodes drain health config version help'
    else
        case ${COMP_WORDS[1]} in
            serve) words='--accept-loss' ;;
            dev) words='--accept-loss' ;;
            check) words='--data --json' ;;
            routes) words='--json' ;;
            reload) words='--dry-run --force --wait' ;;
            rollback) words='--wait' ;;
            profile) words='--json' ;;
            admin) words='' ;;
            new) words='hook plugin policy provider route test tool' ;;
            test) words='--output' ;;
            repl) words='--write' ;;
            plugin) words='--data check disable enable list remove' ;;
            diff) words='' ;;
            migrate) words='--down --dry-run' ;;
            backup) words='' ;;
            restore) words='' ;;
            copy) words='--from --to' ;;
            secret) words='rotate' ;;
            user) words='--admin --email add disable enable list passwd unlock' ;;
            queue) words='jobs list remove retry' ;;
            nodes) words='' ;;
            drain) words='' ;;
            health) words='' ;;
            config) words='show' ;;
            version) words='' ;;
        esac
        [[ $current == --* ]] && words="$words --help --config= $settings"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        [[ ${COMPREPLY[i]} == *= ]] && compopt -o nospace
    done
    # What no word fits may be a file.
    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -F _tidetalk tidetalk
