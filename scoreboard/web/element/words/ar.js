/** What the element says in Arabic. JSON, but for its first word. */

export default {
  "direction": "rtl",
  "ordinal": { "other": "المركز {count}" },
  "points": {
    "zero": "لا نقاط",
    "one": "نقطة واحدة",
    "two": "نقطتان",
    "few": "{count} نقاط",
    "many": "{count} نقطة",
    "other": "{count} نقطة"
  },
  "top": "أفضل {count}",
  "you": "أنت",

  "board.main": "كل الأوقات",
  "board.daily": "اليوم",
  "board.weekly": "هذا الأسبوع",

  "state.idle": "متوقف",
  "state.connecting": "جارٍ الاتصال",
  "state.live": "مباشر",
  "state.polling": "متأخر قليلًا",
  "state.offline": "غير متصل",
  "reason.forbidden": "يلزم تسجيل الدخول",
  "reason.limited": "انتظار",
  "reason.unknown": "لا توجد هذه اللوحة",
  "none.unreachable": "يتعذر الوصول؛ تجري المحاولة من جديد",
  "none.unavailable": "الخدمة معطلة؛ تجري المحاولة من جديد",
  "none.limited": "ازدحام؛ تجري المحاولة بعد قليل",
  "none.forbidden": "سجّل الدخول لرؤية اللوحة",
  "none.unknown": "هذه اللوحة غير موجودة، أو ليس بعد",
  "none.address": "عنوان لوحة النتائج غير صالح",

  "fresh.changed": "تغيّرت {ago}",
  "fresh.asOf": "كما كانت {ago}",
  "fresh.nobody": "لم يحرز أحد نقاطًا بعد",
  "ago.now": "الآن",
  "ago.seconds": {
    "zero": "الآن",
    "one": "قبل ثانية",
    "two": "قبل ثانيتين",
    "few": "قبل {count} ثوانٍ",
    "many": "قبل {count} ثانية",
    "other": "قبل {count} ثانية"
  },
  "ago.minutes": {
    "zero": "الآن",
    "one": "قبل دقيقة",
    "two": "قبل دقيقتين",
    "few": "قبل {count} دقائق",
    "many": "قبل {count} دقيقة",
    "other": "قبل {count} دقيقة"
  },
  "ago.hours": {
    "zero": "الآن",
    "one": "قبل ساعة",
    "two": "قبل ساعتين",
    "few": "قبل {count} ساعات",
    "many": "قبل {count} ساعة",
    "other": "قبل {count} ساعة"
  },
  "ago.days": {
    "zero": "اليوم",
    "one": "قبل يوم",
    "two": "قبل يومين",
    "few": "قبل {count} أيام",
    "many": "قبل {count} يومًا",
    "other": "قبل {count} يوم"
  },

  "row.first": "كن الأول.",
  "row.new": "جديد",
  "row.up": "صعد",
  "row.down": "نزل",
  "row.says": "{name} في {rank}، والرصيد {points}.",

  "season": "الموسم {season}",
  "season.dated": "{number}، {days}",
  "season.endsIn": "{name}، ينتهي\u00a0بعد",
  "season.ended": "انتهى {name}.",
  "season.someEnded": "انتهى الموسم.",
  "season.beginsIn": "يبدأ الموسم {season} بعد",
  "season.begun": "بدأ الموسم {season}.",
  "season.none": "لم يبدأ أي موسم.",
  "season.closed": "أُغلقت هذه اللوحة في {date}.",
  "season.choice": "الموسم",
  "season.live": "مباشر",
  "season.now": "الآن",
  "season.older": "مواسم أقدم…",
  "unit.days": "{number} ي",
  "unit.hours": "{number} س",
  "unit.minutes": "{number} د",
  "unit.seconds": "{number} ث",

  "rule.low": "أقل رصيد هو الفائز.",
  "rule.listed": "تُحتسب هنا بعض الأعمال فقط.",
  "rule.results": "لا تُحتسب الأعمال هنا.",

  "end.nobody": "لم يحرز أحد نقاطًا.",
  "end.wins": "الفوز من نصيب {name}، والرصيد {points}.",
  "end.first": "{name} في الصدارة، والرصيد {points}.",
  "end.youWin": "الفوز من نصيبك، ورصيدك {points}.",
  "end.youFirst": "أنت في الصدارة، ورصيدك {points}.",
  "end.you": "أنت في {rank}.",
  "end.loading": "يجري تحميل الموسم {season}.",
  "end.missing": "تتعذر الآن قراءة الموسم {season}، أو لا وجود له.",
  "end.open": "انتهى هذا الموسم، وقد يُسجَّل بعدُ ما تحقق قبل نهايته.",
  "end.final": "النتيجة النهائية في {date}.",
  "end.next": "إلى الموسم {season}",
  "end.live": "إلى اللوحة المباشرة",
  "end.back": "العودة إلى اللوحة",
  "end.left": {
    "zero": "الآن",
    "one": "بعد ثانية",
    "two": "بعد ثانيتين",
    "few": "بعد {count} ثوانٍ",
    "many": "بعد {count} ثانية",
    "other": "بعد {count} ثانية"
  }
};
