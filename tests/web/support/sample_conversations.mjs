// Conversations for screenshots and for the checks of accessibility: everything that a reply can have.
const CODE = '```';

export const SAMPLES = {
  en: {
    title: 'Two tides a day',
    turns: [
      {
        message: 'Why are there two tides a day, and how high do they get?',
        reasoning: 'The user asks about tidal bulges.\n\nI should explain the difference of gravity across the Earth, then give numbers.',
        text: `The Moon pulls harder on the side of the Earth that faces it than on the far side. That *difference* stretches the ocean into **two bulges**, and a place on the coast turns through both of them each day.

The force behind it falls with the cube of the distance:

$$a_{\\text{tide}} \\approx \\frac{2 G M r}{d^3}$$

so the Moon ($d \\approx 60\\,r$) counts about twice as much as the Sun.

| Place | Mean range | Spring range |
|:--|--:|--:|
| Bay of Fundy | 11.7 m | 16.3 m |
| Bristol Channel | 9.5 m | 14.0 m |
| Mediterranean | 0.3 m | 0.5 m |

When Sun and Moon line up, their bulges add to a *spring tide*.[^1]

[^1]: It has nothing to do with the season: the water “springs” up.`,
      },
      {
        message: 'Can you give me a little function for the height over a day?',
        text: `Sure. One constituent (M2, the principal lunar one) is enough for a first look:

${CODE}python
from math import cos, pi

M2_HOURS = 12.4206  # half a lunar day

def height(t: float, mean: float = 2.0, amplitude: float = 1.5) -> float:
    """Height of the water in metres, t hours after high water."""
    return mean + amplitude * cos(2 * pi * t / M2_HOURS)

for hour in range(0, 25, 6):
    print(f"{hour:2d} h  {height(hour):5.2f} m")
${CODE}

1. Call \`height(0)\` at high water.
2. Add more constituents for a real harbour:
   - \`S2\`, the Sun's, 12 hours
   - \`O1\` and \`K1\`, about a day each
3. Compare with a tide table before you sail.`,
      },
    ],
  },
  zh: {
    title: '一天两次潮汐',
    turns: [
      {
        message: '为什么一天有两次涨潮？能高到什么程度？',
        reasoning: '用户在问潮汐的成因。\n\n先讲引力差，再给数据。',
        text: `月球对地球**朝向它的一侧**引力更大，对背面更小。这个*差值*把海水拉成**两个隆起**，海岸随地球自转，一天要经过它们各一次，于是就有了两次涨潮。

引潮力与距离的三次方成反比：

$$a_{\\text{潮}} \\approx \\frac{2 G M r}{d^3}$$

所以月球（$d \\approx 60\\,r$）的作用约为太阳的两倍。

| 地点 | 平均潮差 | 大潮潮差 |
|:--|--:|--:|
| 芬迪湾 | 11.7 米 | 16.3 米 |
| 钱塘江口 | 5.5 米 | 8.9 米 |
| 地中海 | 0.3 米 | 0.5 米 |

日、月、地成一线时，两者的隆起叠加，称为**“大潮”。**农历初一、十五前后最明显。[^1]

[^1]: 实际时间会因海底地形推迟一到三天。`,
      },
      {
        message: '写一个小函数，算一天里的水位吧',
        text: `好的。先只用 M2（太阴主要半日分潮）这一个分潮，足够看出规律：

${CODE}python
from math import cos, pi

M2_HOURS = 12.4206  # 半个太阴日

def height(t: float, mean: float = 2.0, amplitude: float = 1.5) -> float:
    """高潮后 t 小时的水位，单位：米。"""
    return mean + amplitude * cos(2 * pi * t / M2_HOURS)

for hour in range(0, 25, 6):
    print(f"{hour:2d} 时  {height(hour):5.2f} 米")
${CODE}

1. 高潮时刻调用 \`height(0)\`。
2. 真实港口还要叠加其他分潮：
   - \`S2\`：太阳半日潮，周期 12 小时
   - \`O1\`、\`K1\`：周期约一天
3. 出海之前，请以正式的潮汐表为准。`,
      },
    ],
  },
};

/** Titles for the list of sessions. */
export const TITLES = {
  en: ['Packing list for a week of sailing', 'Explain monads to a cook', 'A toast for Grandma', 'SQL: the three latest orders of each customer', 'Names for a small boat'],
  zh: ['帆船一周的行李清单', '给厨师讲讲单子', '外婆八十岁寿辰的祝词', 'SQL：每位客户最近三笔订单', '给小船起个名字'],
};
