## Главный экран

home-tagline = Видеть и слышать друзей. Без регистрации.
home-name = Ваше имя
home-name-hint = Его увидят собеседники
home-start = Начать звонок
home-start-hint = Вы получите ссылку для друга
home-join-label = Есть ссылка?
home-join-hint = Вставьте её или введите три слова
home-join = Войти
home-test-call = Пробный звонок
home-test-call-hint = Услышать и увидеть себя по настоящей связи
home-language = Язык
home-theme = Оформление
home-new-link = Новая ссылка
home-new-link-hint = Старая ссылка перестанет действовать
home-link-coming = Ссылка создаётся…
theme-system = Как в системе
theme-light = Светлое
theme-dark = Тёмное
language-system = Как в системе

## Перед звонком

lobby-title-host = Готовы звонить?
lobby-title-join = Готовы войти?
lobby-start = Начать звонок
lobby-join = Войти в звонок
lobby-starting = Одну секунду…
lobby-preview = Ваше изображение, как в зеркале
lobby-camera-off = Ваша камера выключена
lobby-camera-starting = Камера включается…
lobby-camera-none = Камера не даёт изображения
lobby-camera = Камера
lobby-microphone = Микрофон
lobby-speaker = Динамик
lobby-level = Громкость вашего микрофона
lobby-look-again = Искать устройства снова
device-best-camera = Лучшая из имеющихся камер
device-default = Системное устройство
device-none-camera = Без камеры
device-none-microphone = Без микрофона
device-test-picture = Тестовая картинка
device-test-sound = Тестовый звук
device-silence = Тишина
device-mute-speaker = Без звука
device-file = Файл { $name }
device-off = Выключено
device-starting = Включается…
device-works = Работает
device-works-mode = Работает: { $mode }
camera-mode = { $width } × { $height }, { $fps } кадров в секунду

## Звонок

call-you = Вы
call-nobody-name = Гость
call-picture-of = Изображение: { $name }
call-screen-of = Экран: { $name }
call-muted = { $name }: микрофон выключен
call-camera-off = Камера выключена
call-joining = Вход в звонок…
call-waiting = Пока никого нет
call-waiting-title = Ждём собеседника
call-waiting-text = Отправьте эту ссылку. По ней попадут прямо к вам.
call-waiting-knock = Отправьте эту ссылку. По ней постучатся, а решаете вы.
call-waiting-locked = Звонок заперт: никто новый не войдёт, ни по этой ссылке, ни без неё.
call-link = Ссылка-приглашение
call-connecting = Соединение…
call-connecting-to = Соединение с { $name }…
call-no-path-to = Путь к { $name } не найден. Пробуем снова…
call-no-path-because = Путь к { $name } не найден. { $why } Пробуем снова…
call-connected = Соединено
call-connected-relay = Соединено через посредника
call-reconnecting = Связь потеряна. Ищем новый путь…
call-reconnecting-to = Связь с { $name } потеряна. Ищем новый путь…
call-server-away = Сервер не отвечает. Звонок продолжается, но новые участники пока не смогут войти.
call-server-retrying = Сервер не отвечает. Пробуем снова…
call-microphone-failed = Вас не слышно. { $why }
call-camera-failed = Вас не видно. { $why }
call-speaker-failed = Вы никого не слышите. { $why }
call-test = Пробный звонок
call-test-text = Вы видите и слышите себя так, как другие.

## Действия

action-microphone-off = Выключить микрофон
action-microphone-on = Включить микрофон
action-camera-off = Выключить камеру
action-camera-on = Включить камеру
action-copy-link = Скопировать ссылку
action-copied = Скопировано
action-hang-up = Завершить звонок
action-back = Назад
action-call-again = Позвонить снова
action-home = На главную
action-dismiss = Убрать
action-quit = Выйти

## После звонка

ended-duration = Вы были на связи { $duration }.
ended-hung-up = Звонок окончен
ended-hung-up-text = Вы завершили звонок.
ended-everyone-left = Звонок окончен
ended-everyone-left-text = Все собеседники вышли.
ended-unreachable = Не удалось дозвониться
ended-unreachable-text = Сервер не отвечает. Проверьте подключение к интернету. Если оно работает, возможно, приславший ссылку закрыл Visavis: попросите новую ссылку.
ended-wrong-server = Это не сервер Visavis, который нам понятен
ended-wrong-server-text = Вероятно, у кого-то из вас старая версия Visavis. Обновите обе и попробуйте с новой ссылкой.
ended-refused = Сервер не впустил вас
ended-refused-text = Его ответ: { $words } Попросите новую ссылку или попробуйте через минуту.
ended-peers = Путь к собеседникам не найден
ended-peers-text = Сеть или брандмауэр не пропускает прямые звонки. Попробуйте другую сеть, например раздачу с телефона.
blocked-no-network = У этого компьютера нет сети, из которой можно позвонить. Подключитесь к сети.
blocked-no-relay-set = Ваш адрес должен оставаться скрытым, но ретранслятор не указан. Укажите его или разрешите показывать адрес.
blocked-no-server-set = Две сети не видят друг друга, и не указан сервер, который мог бы помочь. Укажите ретранслятор.
blocked-udp = Эта сеть блокирует UDP, а ретранслятор через TCP не указан. Попробуйте другую сеть, например раздачу с телефона.
blocked-nothing-answers = Ни один из ваших серверов STUN и ретрансляторов не отвечает. Сеть их блокирует, или они не работают. Попробуйте другую сеть.
blocked-relay-unknown = Не удалось найти ретранслятор по имени. Проверьте его адрес и подключение к интернету.
blocked-relay-silent = Ретранслятор не отвечает. Проверьте его адрес и то, что он работает.
blocked-relay-refused = Ретранслятор не принял пароль. Проверьте имя и пароль; возможно, их срок истёк.
blocked-relay-full = На ретрансляторе нет места для ещё одного звонка. Попробуйте позже.
blocked-relay-certificate = Ретранслятор не может доказать, что он тот самый. Проверьте его адрес и часы этого компьютера.
blocked-both-strict = Обе сети скрыты за строгими маршрутизаторами; нужен ретранслятор. Укажите его или попробуйте раздачу с телефона.
blocked-their-network = Сеть собеседника никого не впускает; нужен ретранслятор. Укажите его или попросите собеседника раздать сеть с телефона.
blocked-behind-relay = Ретранслятор отвечает, но собеседник через него не проходит. Попросите его попробовать другую сеть.
blocked-handshake = Путь найден, но ничего зашифрованного по нему не проходит. Попробуйте другую сеть.

## Неполадки устройств

problem-camera-missing = Такой камеры нет. Подключите её или выберите другую.
problem-camera-busy = Камеру использует другая программа. Закройте её и выберите камеру снова.
problem-camera-forbidden = Система не разрешает Visavis использовать камеру. Разрешите это в настройках конфиденциальности.
problem-camera-unplugged = Камера отключена. Подключите её снова или выберите другую.
problem-camera-stalled = Камера перестала передавать изображение. Отключите её и подключите снова.
problem-camera-unusable = Камера передаёт то, что Visavis не понимает. Выберите другую.
problem-camera-bad-file = Видеофайл не читается. Нужен файл .y4m.
problem-microphone-missing = Такого микрофона нет. Подключите его или выберите другой.
problem-microphone-busy = Микрофон использует другая программа. Закройте её и выберите микрофон снова.
problem-microphone-forbidden = Система не разрешает Visavis использовать микрофон. Разрешите это в настройках конфиденциальности.
problem-microphone-unplugged = Микрофон отключён. Подключите его снова или выберите другой.
problem-microphone-stalled = Микрофон перестал передавать звук. Подключите его снова или выберите другой.
problem-microphone-unusable = Микрофон передаёт то, что Visavis не понимает. Выберите другой.
problem-microphone-bad-file = Звуковой файл не читается. Нужен файл .wav.
problem-speaker-missing = Такого динамика нет. Подключите его или выберите другой.
problem-speaker-busy = Динамик использует другая программа. Закройте её и выберите динамик снова.
problem-speaker-forbidden = Система не разрешает Visavis воспроизводить звук. Разрешите это в настройках системы.
problem-speaker-unplugged = Динамик отключён. Подключите его снова или выберите другой.
problem-speaker-stalled = Динамик перестал играть. Подключите его снова или выберите другой.
problem-speaker-unusable = Динамик не принимает звук от Visavis. Выберите другой.
problem-speaker-bad-file = Звуковой файл не записывается. Проверьте папку и свободное место.

## Сообщения

notice-no-link = Вставьте ссылку от друга и нажмите «Войти».
notice-bad-link = Это не ссылка-приглашение. Скопируйте из сообщения всю ссылку, без лишнего до и после неё.
notice-damaged-link = Ссылка повреждена при пересылке. Попросите друга отправить её снова.
notice-cut-off-link = Ссылка обрезана. Скопируйте её всю, до последнего символа, или попросите друга отправить её снова.
notice-extended-link = К концу ссылки что-то добавилось. Скопируйте только ссылку или попросите друга отправить её снова.
notice-newer-link = Ссылка создана в более новой версии Visavis. Обновите свою и откройте ссылку снова.
notice-older-link = Ссылка создана в старой версии Visavis, которая больше не поддерживается. Попросите друга обновить её и отправить новую.
notice-server-failed = Не удалось открыть звонок для других: { $words } Проверьте, не мешает ли брандмауэр, и попробуйте снова.
notice-write-failed = Не удалось записать файл: { $words } Проверьте папку и свободное место.
notice-engine-busy = Visavis сейчас не отвечает. Закройте программу и откройте снова.

call-knocking = Ждём, пока вас впустят
ended-not-admitted = Вас не впустили
ended-not-admitted-text = Спросите хозяина звонка и попробуйте ссылку ещё раз.
ended-locked = Звонок закрыт
ended-locked-text = Хозяин больше никого не впускает. Попросите его открыть звонок и откройте ссылку снова.
ended-expired = Ссылка устарела
ended-expired-text = Попросите у друга новую.

## Кто есть кто

badge-unverified = Зашифровано, но ещё не сверено. Сравните четыре символа.
badge-unverified-short = Ещё не сверено
badge-known = { $calls ->
    [0] То же устройство, что и раньше.
    [1] То же устройство, что и в прошлом звонке.
    [one] То же устройство, что и в прошлом { $calls } звонке.
   *[other] То же устройство, что и в прошлых { $calls } звонках.
    }
badge-known-short = То же устройство
badge-verified = Сверено { $date }.
badge-verified-now = Сверено в этом звонке.
badge-verified-short = Сверено
badge-changed = Ключ изменился: { $contact }.
badge-changed-short = Ключ изменился
badge-changed-title = Ключ этого контакта изменился
badge-changed-who = Собеседник называет себя «{ $name }». У контакта «{ $contact }» был другой ключ.
badge-changed-meaning = Либо у контакта «{ $contact }» новый компьютер или заново настроенный Visavis, либо за него кто-то себя выдаёт. Прежде чем продолжить, спросите другим способом, например по телефону.
badge-changed-refuse = Не разговаривать
badge-changed-continue = Всё равно продолжить

symbols-compare = Сравнить четыре символа
symbols-not-yet = Символы появятся, как только вы соединитесь.
symbols-title = Сравнение: { $name }
symbols-text = Прочитайте их друг другу. Если все четыре совпадают, между вами никого нет.
symbols-match = Совпадают
symbols-differ = Не совпадают
symbols-differ-title = Символы не совпадают
symbols-differ-meaning = Возможно, между вами кто-то есть, он видит и слышит этот звонок. Собеседник: { $name }.
symbols-differ-do = Не говорите ничего, что не предназначено другим. Выйдите из звонка и позвоните снова из другой сети. Если символы не совпадут и там, встретьтесь иначе.
symbols-again = Посмотреть на символы ещё раз

## У двери

knock-wants-in = { $name } просит войти
knock-unknown = Вы ещё не встречались в Visavis.
knock-admit = Впустить
knock-admit-name = Впустить: { $name }
knock-refuse = Отказать
knock-refuse-name = Отказать: { $name }
knock-waits = { $name } ждёт решения хозяина
knock-awaiting-them = { $name } решает, впустить ли вас…
knock-waiting-text = Пока вас не впустили, видно только ваше имя.
call-door-title = Кто может войти
call-door-button = Кто может войти: { $state }
call-door-open = Открыто
call-door-open-text = Все, у кого есть ссылка, входят сразу.
call-door-knock = Со стуком
call-door-knock-text = Все, у кого есть ссылка, стучатся, а решаете вы.
call-door-locked = Заперто
call-door-locked-text = Никто новый не войдёт, ни по ссылке, ни без неё.
call-is-host = Хозяин звонка
call-invite = Пригласить других
call-try-again = Попробовать снова
call-leave = Выйти из звонка
call-send-out = Удалить из звонка
call-send-out-name = Удалить из звонка: { $name }
call-route-none = Ещё нет соединения
call-route-direct = Прямое соединение
call-route-direct-text = Изображение и звук идут прямо с компьютера на компьютер. { $name } может видеть ваш сетевой адрес, а вы адрес собеседника.
call-route-direct-late = Изображение и звук идут прямо с компьютера на компьютер. Соединение появилось до того, как вы решили скрывать адрес: { $name } может видеть его до следующего звонка.
call-route-relay = Через посредника
call-route-relay-text = Прямого пути не нашлось, и всё передаёт посредник. Он видит оба адреса, но не то, что вы говорите и показываете. { $name } тоже может узнать ваш адрес.
call-route-relay-hidden = Вы скрываете адрес: новые соединения идут через посредника, и { $name } его не получает. Посредник адрес видит, но не то, что вы говорите и показываете.
call-alarm-disturbed = Сообщениям мешают в пути
call-alarm-disturbed-text = То, что другие отправляют через сервер, приходит изменённым, не по порядку или не приходит. Те, кого вы видите и слышите, на связи, как и прежде с шифрованием. Если кто-то не может войти, создайте новую ссылку или попробуйте другую сеть.
call-alarm-stranger = В комнате посторонний
call-alarm-stranger-text = Здесь кто-то, у кого нет полной ссылки. Он не видит и не слышит вас. Чтобы избавиться от него, хозяину нужно создать новую ссылку.
call-alarm-between = Кто-то попытался встать между вами
call-alarm-between-text = Соединение привело не к тому, к кому должно, и сразу закрыто: туда ничего не отправлено. Выйдите из звонка и попробуйте из другой сети.
## Люди

people-title = Люди
people-nearby = Рядом
people-nearby-text = В той же сети. Имя здесь ничего не доказывает: так может назваться кто угодно.
people-missed = Пропущенные звонки
people-missed-more = { $count ->
    [one] и ещё { $count }
    [few] и ещё { $count }
   *[many] и ещё { $count }
    }
people-clear = Очистить
people-online = в сети
people-offline = не в сети
people-verified-on = Личность проверена { $date }
people-calls = { $count ->
    [0] Звонков ещё не было
    [one] { $count } звонок
    [few] { $count } звонка
   *[many] { $count } звонков
    }
people-date = { $month ->
    [1] { $day } января
    [2] { $day } февраля
    [3] { $day } марта
    [4] { $day } апреля
    [5] { $day } мая
    [6] { $day } июня
    [7] { $day } июля
    [8] { $day } августа
    [9] { $day } сентября
    [10] { $day } октября
    [11] { $day } ноября
   *[other] { $day } декабря
    }
people-just-now = только что
people-minutes-ago = { $count ->
    [one] { $count } минуту назад
    [few] { $count } минуты назад
   *[many] { $count } минут назад
    }
people-hours-ago = { $count ->
    [one] { $count } час назад
    [few] { $count } часа назад
   *[many] { $count } часов назад
    }
people-yesterday = вчера
people-days-ago = { $count ->
    [one] { $count } день назад
    [few] { $count } дня назад
   *[many] { $count } дней назад
    }
people-ring-video = Видеозвонок: { $name }
people-ring-sound = Звонок без видео: { $name }
people-ring-back = Перезвонить: { $name }
people-more = Ещё: { $name }
people-rename = Переименовать
people-rename-label = Как вы называете: { $name }
people-rename-keep = Сохранить
people-remove = Удалить
people-remove-ask = Удалить контакт «{ $name }»? Вы не сможете звонить друг другу, пока снова не встретитесь по ссылке.
people-remove-yes = Удалить: { $name }
people-cancel = Отмена
people-no-server = Друзья смогут вам звонить, если указать сервер. Звонки рядом работают и без него.
people-set-server = Указать сервер
people-connecting = Узнаём, кто в сети…
people-undisturbed = Включён режим «Не беспокоить»: никто не дозвонится.
people-disturb = Выключить

## Звонок другу

ring-incoming = Вам звонит { $name }
ring-video = Видеозвонок
ring-sound = Звонок без видео
ring-unknown = Нет в ваших контактах. Это имя звонящий выбрал сам.
ring-unverified = Есть в контактах, личность ещё не проверена
ring-reaching = Ищем, где сейчас { $name }…
ring-ringing = Идёт вызов: { $name }…
ring-accepted = Соединяем: { $name }…
ring-accept-video = Ответить с видео
ring-accept-sound = Ответить без видео
ring-decline = Отклонить
ring-cancel = Отмена
ring-leaves-call = Если ответить, текущий звонок завершится.

## QR-код и код словами

qr-show = QR-код
qr-label = QR-код ссылки-приглашения
qr-text = Наведите на него камеру телефона или другого компьютера. Войти сможет каждый, кто его увидит.
qr-too-long = Ссылка не помещается в QR-код. Скопируйте её.
code-offer = Код словами
code-read-aloud = Прочитайте эти слова вслух по телефону
code-good-for = { $tries ->
    [one] Действует ещё { $time }, осталась { $tries } попытка
    [few] Действует ещё { $time }, осталось { $tries } попытки
   *[many] Действует ещё { $time }, осталось { $tries } попыток
    }
code-withdraw = Убрать код

## Настройки

settings-open = Настройки
settings-ringing = Звонки вам
settings-calls = Звонки, которые начинаете вы
settings-server = Сервер
settings-look = Язык и оформление
settings-undisturbed = Не беспокоить
settings-undisturbed-text = Никто не дозвонится. Звонящий узнает, что вы заняты, а вы найдёте его среди пропущенных.
settings-nearby = Видимость рядом
settings-nearby-text = Люди в той же сети увидят ваше имя и смогут позвонить, даже без сервера. Имя увидят и все остальные в этой сети.
settings-hide = Скрывать мой адрес
settings-hide-text = Собеседники не узнают ваш адрес в интернете. Для этого нужен посредник, а изображение может запаздывать и терять чёткость.
settings-door = Кто может войти
settings-door-open = Все, у кого есть ссылка
settings-door-knock = Те, кого я впущу
settings-expiry = Ссылка действует
settings-expiry-call = Пока идёт звонок
settings-expiry-hour = Один час
settings-expiry-day = Один день
settings-server-label = Адрес вашего сервера
settings-server-hint = Например, calls.example.org
settings-server-none = Друзья смогут вам звонить, если указать сервер. Ссылки, звонки рядом и всё остальное работают и без него.
settings-server-connecting = Подключаемся к серверу…
settings-server-listening = Подключено: друзья могут вам звонить.
settings-server-restart = Сохранено. Закройте Visavis и откройте снова, чтобы сервер заработал.
settings-server-bad = Это не адрес сервера. Напишите его так: calls.example.org или ws://192.168.1.5:8080.

## Личность

identity-title = Кто вы
identity-text = Друзья узнают это устройство по ключу. Он есть только у вас.
identity-in-keyring = Ключ хранится в системной связке ключей.
identity-in-file = На этом компьютере нет связки ключей, поэтому ваш ключ лежит в файле, который можете читать только вы: { $path }. Тот, кто прочитает ваши файлы, сможет выдать себя за вас.
identity-in-memory = Ключ нигде не хранится: когда вы закроете Visavis, друзья перестанут вас узнавать.
identity-fingerprint = Отпечаток
identity-fingerprint-hint = Начало вашего открытого ключа. Это не секрет.
identity-copy = Скопировать отпечаток целиком
identity-export = Экспорт…
identity-export-text = Записывает ключ в файл, чтобы перенести его на другой компьютер или сохранить. Файл защищён паролем: без него файлом не воспользуется никто, даже вы.
identity-import = Импорт…
identity-import-text = Со следующего звонка этот компьютер станет тем, кто записан в файле. Прежняя личность сохранится отдельно.
identity-path = Файл
identity-passphrase = Пароль
identity-repeat = Пароль ещё раз
identity-export-now = Записать
identity-import-now = Прочитать
identity-no-path = Напишите полный путь к файлу, вместе с папкой.
identity-short = Нужен пароль не короче 8 символов. Четыре слова легко запомнить.
identity-different = Пароли не совпадают. Введите их снова.
identity-no-passphrase = Введите пароль, которым защищён файл.

## Новости

event-ring-declined = { $name } сейчас не может говорить.
event-ring-busy = { $name } разговаривает или просит не беспокоить.
event-ring-no-answer = { $name } не отвечает.
event-ring-unreachable = Не удалось дозвониться: { $name }. Возможно, Visavis там не открыт.
event-ring-missed = Пропущенный звонок: { $name }.
event-ring-elsewhere = Вы ответили на другом устройстве: { $name }.
event-code-no-server = Для кода словами нужен сервер, которым пользуетесь вы оба. Укажите его в настройках или попросите ссылку.
event-code-nobody = С этими словами никто не ждёт. Возможно, вы ослышались, код уже использован или ему больше десяти минут: попросите новый.
event-code-wrong = Первое слово верное, остальные нет. Попросите друга прочитать их ещё раз.
event-code-unreachable = Сервер не отвечает. Проверьте подключение к интернету или попросите ссылку.
event-storage = О том, что Visavis хранит на этом компьютере: { $words }
event-identity-exported = Ваша личность записана в { $path }. Не забудьте пароль.
event-identity-imported = Со следующего звонка вы тот, кто записан в файле.
event-identity-failed = Не получилось: { $words }

## Вокруг окна

tray-open = Открыть Visavis
tray-do-not-disturb = Не беспокоить
tray-quit = Выйти
tray-still-running = Visavis продолжает работать
tray-still-running-text = Вам можно позвонить. Чтобы закрыть его совсем, выберите «Выйти» в меню значка.
notification-rings = Вам звонит { $name }
notification-video = Видеозвонок
notification-sound = Звонок без видео
notification-accept = Ответить
notification-decline = Отклонить
notification-missed = Пропущенный звонок: { $name }
notification-missed-text = Откройте Visavis, чтобы перезвонить.
